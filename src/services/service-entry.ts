import type { Container, Pod } from '../api/types.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import type { Endpoint, ServiceEntry } from './service-table.ts'
import {
  hasAddress,
  hasSelector,
  type Service,
  type ServiceSpec,
} from './service.ts'

/** A Pod that is run here, as far as a Service looks at it. */
export interface CandidatePod {
  readonly pod: Pod
  readonly status?: PodStatus
  readonly isTerminating: boolean
  /** See Endpoint. */
  readonly ownNetwork?: true
}

const defaultAffinitySeconds = 10_800

/** A Pod of a Service, ready or not. */
export interface ServiceMember {
  readonly pod: Pod
  readonly ip: string
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  /** See Endpoint. */
  readonly hostname?: string
  readonly ownNetwork?: true
  /** Of each port of the Service the Pod's; undefined: it has none of that name. */
  readonly targets: readonly (number | undefined)[]
}

/**
 * The Pods that a Service has (podToEndpoint, staging/src/k8s.io/endpointslice/utils.go). Undefined:
 * it is none of which Kubernetes looks for any. Pure.
 */
export function serviceMembers(
  service: Service,
  pods: readonly CandidatePod[],
): readonly ServiceMember[] | undefined {
  const { metadata, spec } = service
  if (!hasSelector(service)) return undefined
  return pods.flatMap(({ pod, status, isTerminating, ownNetwork }) => {
    if (pod.metadata.namespace !== metadata.namespace) return []
    if (!isSelected(spec, pod) || status?.podIP === undefined) return []
    if (status.phase === 'Succeeded' || status.phase === 'Failed') return []
    const serving = isReady(status)
    const { hostname = '', subdomain } = pod.spec
    return {
      pod,
      ip: status.podIP,
      ready:
        spec.publishNotReadyAddresses === true || (serving && !isTerminating),
      serving,
      terminating: isTerminating,
      ...(hostname !== '' && subdomain === metadata.name && { hostname }),
      ...(ownNetwork && { ownNetwork }),
      targets: (spec.ports ?? []).map(({ targetPort, port, protocol }) =>
        targetOf(pod, targetPort ?? port ?? 0, protocol),
      ),
    }
  })
}

/**
 * Who gets what is sent to a Service: its ready Pods, and what EndpointSlices and Endpoints of the
 * input say (givenEndpoints). Pure. `ip`: its own address, where it has one.
 */
export function serviceEntry(
  service: Service,
  ip: string | undefined,
  members: readonly ServiceMember[] = [],
  given: readonly Endpoint[] = [],
): ServiceEntry {
  const { metadata, spec } = service
  const { name, namespace } = metadata
  const affinity = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds
  return {
    namespace,
    name,
    ...(ip !== undefined && hasAddress(service) && { ip }),
    ...(spec.type === 'ExternalName' &&
      spec.externalName !== undefined && { externalName: spec.externalName }),
    ...(spec.sessionAffinity === 'ClientIP' && {
      affinitySeconds: affinity ?? defaultAffinitySeconds,
    }),
    ports: (spec.ports ?? []).map(({ name, protocol, port = 0 }) => ({
      ...(name !== undefined && { name }),
      protocol,
      port,
    })),
    endpoints: [
      ...members
        .filter(({ ready }) => ready)
        .map(({ ip, hostname, ownNetwork, targets }) => ({
          ip,
          ...(hostname !== undefined && { hostname }),
          ...(ownNetwork && { ownNetwork }),
          targets,
        })),
      ...given,
    ],
  }
}

function isSelected({ selector }: ServiceSpec, { metadata }: Pod): boolean {
  return [...(selector ?? [])].every(
    ([key, value]) => metadata.labels.get(key) === value,
  )
}

function isReady({ conditions }: PodStatus): boolean {
  return conditions.some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  )
}

/** FindPort, pkg/api/v1/pod/util.go. */
function targetOf(
  { spec }: Pod,
  target: number | string,
  protocol: string,
): number | undefined {
  if (typeof target === 'number') return target
  const sidecars = spec.initContainers.filter(
    ({ restartPolicy }) => restartPolicy === 'Always',
  )
  return [...spec.containers, ...sidecars]
    .flatMap(({ ports = [] }: Container) => ports)
    .find(port => port.name === target && port.protocol === protocol)
    ?.containerPort
}
