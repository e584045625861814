import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, invalid, required, unsupported } from '../field-errors.ts'
import { validPortName, validPortNumber } from './names.ts'
import type { ContainerFields, ContainerPortFields } from './unvalidated-pod.ts'

const protocols = ['SCTP', 'TCP', 'UDP']

/** Source: validateContainerPorts. */
export function validatePorts(
  ports: readonly ContainerPortFields[],
  path: string,
  findings: FindingList,
): void {
  const names = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const at = `${path}[${i}]`
    validateName(port.name, `${at}.name`, names, findings)
    const { containerPort = 0, hostPort = 0, protocol } = port
    if (containerPort === 0) {
      findings.reject(`${at}.containerPort`, required())
    } else {
      validateNumber(containerPort, `${at}.containerPort`, findings)
    }
    if (hostPort !== 0) validateNumber(hostPort, `${at}.hostPort`, findings)
    if (!protocols.includes(protocol)) {
      findings.reject(`${at}.protocol`, unsupported(protocol, protocols))
    }
  }
}

function validateName(
  name: string | undefined,
  path: string,
  names: Set<string>,
  findings: FindingList,
): void {
  if (name === undefined) return
  const problems = validPortName(name)
  findings.rejectEach(path, problems, problem => invalid(name, problem))
  if (problems.length > 0) return
  if (names.has(name)) findings.reject(path, duplicate(name))
  names.add(name)
}

function validateNumber(
  port: number,
  path: string,
  findings: FindingList,
): void {
  findings.rejectEach(path, validPortNumber(port), problem =>
    invalid(port, problem),
  )
}

/**
 * Each host port once. Init containers run one after the other: each is looked at alone, and
 * the API server names the first of them whichever it is.
 */
export function validateHostPorts(
  containers: readonly ContainerFields[],
  path: string,
  findings: FindingList,
): void {
  const taken = new Set<string>()
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      const { hostPort = 0, hostIP = '', protocol } = port
      if (hostPort === 0) continue
      const key = `${protocol}/${hostIP}/${hostPort}`
      if (taken.has(key)) {
        findings.reject(`${path}[${i}].ports[${j}].hostPort`, duplicate(key))
      }
      taken.add(key)
    }
  }
}

/** On the host's network a port is the host's own. */
export function validateHostNetworkPorts(
  containers: readonly ContainerFields[],
  findings: FindingList,
): void {
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      const { hostPort = 0, containerPort = 0 } = port
      if (hostPort !== 0 && hostPort !== containerPort) {
        findings.reject(
          `spec.containers[${i}].ports[${j}].hostPort`,
          invalid(
            hostPort,
            'must match `containerPort` when `hostNetwork` is true',
          ),
        )
      }
    }
  }
}
