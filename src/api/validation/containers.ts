import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, forbidden, invalid, notFound } from '../field-errors.ts'
import { validateEnv, validateEnvFrom } from './container-env.ts'
import { validateHostPorts, validatePorts } from './container-ports.ts'
import { forbidHandlers, validateHandlers } from './handlers.ts'
import { dns1123Label, nameLike } from './names.ts'
import type {
  ContainerFields,
  EphemeralContainerFields,
  PodFields,
} from './unvalidated-pod.ts'
import { validateResizePolicy } from './resize-policy.ts'
import { validateRestartPolicy } from './restart-policy.ts'
import { validateContainerResources } from './resources.ts'
import { validateSecurityContext } from './security.ts'
import { validateMounts } from './volume-mounts.ts'

/**
 * Source: pkg/apis/core/validation/validation.go, validateContainers, validateInitContainers,
 * validateEphemeralContainers. `volumes` are those that are valid.
 */
export function validateContainers(
  spec: PodFields,
  volumes: ReadonlySet<string>,
  findings: FindingList,
): void {
  const names = new Set<string>()
  for (const [i, container] of (spec.containers ?? []).entries()) {
    const path = `spec.containers[${i}]`
    validateCommon(container, path, spec, volumes, findings)
    validateUnique(container, path, names, findings)
    validateHandlers(container, path, spec, findings)
    validateRestartPolicy(container, path, findings)
  }
  validateHostPorts(spec.containers ?? [], 'spec.containers', findings)
  for (const [i, container] of spec.initContainers.entries()) {
    const path = `spec.initContainers[${i}]`
    validateCommon(container, path, spec, volumes, findings)
    validateUnique(container, path, names, findings)
    validateRestartPolicy(container, path, findings)
    // One by one, since they run so; the API server calls each of them the first.
    validateHostPorts([container], 'spec.initContainers', findings)
    if (container.restartPolicy === 'Always') {
      validateHandlers(container, path, spec, findings)
    } else {
      forbidHandlers(container, path, findings)
    }
  }
  const others = new Set(names)
  for (const [i, container] of (spec.ephemeralContainers ?? []).entries()) {
    const path = `spec.ephemeralContainers[${i}]`
    validateCommon(container, path, spec, volumes, findings)
    validateUnique(container, path, names, findings)
    validateEphemeral(container, path, others, findings)
  }
}

/** What holds for containers of every kind. */
function validateCommon(
  container: ContainerFields,
  path: string,
  spec: PodFields,
  volumes: ReadonlySet<string>,
  findings: FindingList,
): void {
  const { name, image = '' } = container
  if (name !== undefined) {
    findings.rejectEach(
      `${path}.name`,
      dns1123Label(name),
      problem => invalid(name, problem),
      nameLike(name),
    )
  }
  if (image !== image.trim()) {
    findings.reject(
      `${path}.image`,
      invalid(image, 'must not have leading or trailing whitespace'),
    )
  }
  validatePorts(container.ports ?? [], `${path}.ports`, findings)
  validateEnv(container.env, `${path}.env`, findings)
  validateEnvFrom(container.envFrom, `${path}.envFrom`, findings)
  validateMounts(container, `${path}.volumeMounts`, volumes, findings)
  validateContainerResources(
    container.resources,
    `${path}.resources`,
    spec.resourceClaims ?? [],
    findings,
  )
  validateResizePolicy(
    container.resizePolicy ?? [],
    `${path}.resizePolicy`,
    spec.restartPolicy,
    findings,
  )
  validateSecurityContext(
    container.securityContext,
    `${path}.securityContext`,
    spec.hostUsers !== false,
    findings,
  )
}

function validateUnique(
  container: ContainerFields,
  path: string,
  names: Set<string>,
  findings: FindingList,
): void {
  const { name } = container
  if (name === undefined) return
  if (names.has(name)) findings.reject(`${path}.name`, duplicate(name))
  names.add(name)
}

const notForEphemeral = [
  'ports',
  'lifecycle',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
] as const

function validateEphemeral(
  container: EphemeralContainerFields,
  path: string,
  others: ReadonlySet<string>,
  findings: FindingList,
): void {
  const { targetContainerName: target } = container
  if (target !== undefined && !others.has(target)) {
    findings.reject(`${path}.targetContainerName`, notFound(target))
  }
  const words = forbidden('cannot be set for an Ephemeral Container')
  for (const field of notForEphemeral) {
    if (container[field] !== undefined) {
      findings.reject(`${path}.${field}`, words)
    }
  }
  const { limits, requests, claims = [] } = container.resources
  if (limits.size + requests.size + claims.length > 0) {
    findings.reject(`${path}.resources`, words)
  }
  for (const [i, mount] of container.volumeMounts.entries()) {
    for (const field of ['subPath', 'subPathExpr'] as const) {
      if (mount[field] !== undefined) {
        findings.reject(`${path}.volumeMounts[${i}].${field}`, words)
      }
    }
  }
}
