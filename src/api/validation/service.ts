import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, invalid, required, unsupported } from '../field-errors.ts'
import type { ShownObject } from '../types.ts'
import { validateMetadata } from './metadata.ts'
import {
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  validPortName,
} from './names.ts'

interface ServiceFields {
  readonly type?: string
  readonly clusterIP?: string
  readonly externalName?: string
  readonly ports?: readonly {
    readonly name?: string
    readonly protocol?: string
    readonly port?: number
    readonly targetPort?: number | string
  }[]
}

/** ValidateService, pkg/apis/core/validation/validation.go of v1.34, as far as podfs acts on it. */
export function validateService(
  { metadata, spec }: ShownObject,
  findings: FindingList,
): void {
  validateMetadata(metadata, findings, {
    isNamespaced: true,
    problemsOfName: dns1035Label,
  })
  const { type, clusterIP, externalName, ports = [] } = spec as ServiceFields
  if (type === 'ExternalName') {
    if (externalName === undefined || externalName === '')
      findings.reject('spec.externalName', required())
    else
      for (const problem of dns1123Subdomain(externalName.replace(/\.$/, '')))
        findings.reject('spec.externalName', invalid(externalName, problem))
  } else if (ports.length === 0 && clusterIP !== 'None')
    findings.reject('spec.ports', required())
  const names = new Set<string>()
  const places = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const path = `spec.ports[${i}]`
    const { name = '', protocol = 'TCP', port: number = 0 } = port
    if (name === '') {
      if (ports.length > 1) findings.reject(`${path}.name`, required())
    } else if (names.has(name)) findings.reject(`${path}.name`, duplicate(name))
    else
      for (const problem of dns1123Label(name))
        findings.reject(`${path}.name`, invalid(name, problem))
    names.add(name)
    validatePortNumber(number, `${path}.port`, findings)
    if (!protocols.includes(protocol))
      findings.reject(`${path}.protocol`, unsupported(protocol, protocols))
    const place = `${protocol} ${number}`
    // With Go's words for a struct it would be a page.
    if (places.has(place)) findings.reject(path, duplicate(place))
    places.add(place)
    validateTargetPort(port.targetPort, `${path}.targetPort`, findings)
  }
}

const protocols = ['SCTP', 'TCP', 'UDP']

function validateTargetPort(
  target: number | string | undefined,
  path: string,
  findings: FindingList,
): void {
  if (target === undefined) return
  if (typeof target === 'number')
    return validatePortNumber(target, path, findings)
  for (const problem of validPortName(target))
    findings.reject(path, invalid(target, problem))
}

function validatePortNumber(
  port: number,
  path: string,
  findings: FindingList,
): void {
  if (port < 1 || port > 65_535)
    findings.reject(
      path,
      invalid(port, 'must be between 1 and 65535, inclusive'),
    )
}
