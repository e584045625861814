import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required, unsupported } from '../field-errors.ts'
import type { Pod } from '../types.ts'
import { validatePodAnnotations } from './annotations.ts'
import { validateHostNetworkPorts } from './container-ports.ts'
import { validateFileKeyVolumes } from './container-env.ts'
import { validateContainers } from './containers.ts'
import { validateHostnameOverride } from './hostname-override.ts'
import { validateLabels } from './metadata.ts'
import { dns1123Label, dns1123Subdomain, inRange } from './names.ts'
import { validateDNS, validateHostAliases } from './dns-and-host-aliases.ts'
import { warnOfPod } from './pod-warnings.ts'
import type { ContainerFields, PodFields } from './unvalidated-pod.ts'
import { validateResourceClaims } from './resource-claims.ts'
import { validateOverhead, validatePodResources } from './resources.ts'
import { validateScheduling } from './scheduling.ts'
import { validateHostUsers, validatePodSecurityContext } from './security.ts'
import { validateVolumes } from './volumes.ts'
import { validateForOS, validateHostProcess } from './windows.ts'

/** Source: pkg/apis/core/validation/validation.go, ValidatePodCreate; `isUpdate`: of a Pod that is there. */
export function validatePod(
  pod: Pod,
  findings: FindingList,
  { isUpdate = false }: { readonly isUpdate?: boolean | undefined } = {},
): void {
  const spec = withHostPorts(pod.spec)
  const volumes = validateVolumes(spec.volumes, findings)
  validateResourceClaims(spec.resourceClaims ?? [], findings)
  validateContainers(spec, volumes, findings)
  validatePodResources(spec, findings)
  if (spec.hostNetwork) {
    validateHostNetworkPorts(spec.containers ?? [], findings)
  }
  validateLabels(spec.nodeSelector ?? new Map(), 'spec.nodeSelector', findings)
  validatePodSecurityContext(spec, findings)
  validateHostUsers(spec, findings)
  validateHostProcess(spec, findings)
  validateScheduling(spec, findings)
  validateDNS(spec, findings)
  validateHostAliases(spec, findings)
  validateHostnameOverride(spec, findings)
  validateScalars(spec, findings)
  validateOverhead(spec.overhead, findings)
  validateOS(spec, findings)
  validateFileKeyVolumes(spec, findings)
  if (!isUpdate && (spec.ephemeralContainers ?? []).length > 0) {
    findings.reject(
      'spec.ephemeralContainers',
      forbidden('cannot be set on create'),
    )
  }
  validatePodAnnotations(pod.metadata, spec, findings)
  // The API server warns only of what it accepts.
  if (!findings.rejected) warnOfPod(pod.metadata, spec, findings)
}

const rules = {
  hostname: dns1123Label,
  subdomain: dns1123Label,
  serviceAccountName: dns1123Subdomain,
  nodeName: dns1123Subdomain,
  priorityClassName: dns1123Subdomain,
  runtimeClassName: dns1123Subdomain,
} as const

const preemptionPolicies = ['PreemptLowerPriority', 'Never']

function validateScalars(spec: PodFields, findings: FindingList): void {
  for (const [field, rule] of Object.entries(rules)) {
    const value = spec[field as keyof typeof rules]
    if (value === undefined) continue
    findings.rejectEach(`spec.${field}`, rule(value), problem =>
      invalid(value, problem),
    )
  }
  const { activeDeadlineSeconds: deadline, preemptionPolicy } = spec
  if (deadline !== undefined) {
    findings.rejectEach(
      'spec.activeDeadlineSeconds',
      inRange(deadline, 1, 2 ** 31 - 1),
      problem => invalid(deadline, problem),
    )
  }
  if (preemptionPolicy === '') {
    findings.reject('spec.preemptionPolicy', required())
  } else if (
    preemptionPolicy !== undefined &&
    !preemptionPolicies.includes(preemptionPolicy)
  ) {
    findings.reject(
      'spec.preemptionPolicy',
      unsupported(preemptionPolicy, preemptionPolicies),
    )
  }
}

const systems = ['linux', 'windows']

function validateOS(spec: PodFields, findings: FindingList): void {
  if (spec.os === undefined) return
  const { name = '' } = spec.os
  if (name === '') findings.reject('spec.os.name', required())
  else if (!systems.includes(name)) {
    findings.reject('spec.os', unsupported(name, systems))
  } else {
    validateForOS(spec, findings)
  }
}

/** defaultHostNetworkPorts: on the host's network a port is the host's own. */
function withHostPorts(spec: PodFields): PodFields {
  if (!spec.hostNetwork) return spec
  const own = (container: ContainerFields): ContainerFields => ({
    ...container,
    ...(container.ports && {
      ports: container.ports.map(port => ({
        ...port,
        hostPort: port.hostPort || port.containerPort || 0,
      })),
    }),
  })
  return {
    ...spec,
    ...(spec.containers && { containers: spec.containers.map(own) }),
    initContainers: spec.initContainers.map(own),
  }
}
