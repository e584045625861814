import type { Container, Pod } from '../api/types.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import type { Endpoint, ServiceEntry } from './service-table.ts'
import { hasAddress, type Service, type ServiceSpec } from './service.ts'

/** A Pod that is run here, as far as a Service looks at it. */
export interface CandidatePod {
  readonly pod: Pod
  readonly status?: PodStatus
  readonly isTerminating: boolean
  /** See Endpoint. */
  readonly ownNetwork?: true
}

const defaultAffinitySeconds = 10_800

/**
 * Who gets what is sent to a Service (staging/src/k8s.io/endpointslice/reconciler.go). Pure.
 * `ip`: its own address, where it has one.
 */
export function serviceEntry(
  service: Service,
  ip: string | undefined,
  pods: readonly CandidatePod[],
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
    endpoints: pods.flatMap(candidate =>
      isEndpoint(service, candidate) ? endpointOf(service, candidate) : [],
    ),
  }
}

function isEndpoint(
  { metadata, spec }: Service,
  { pod, status, isTerminating }: CandidatePod,
): boolean {
  if (spec.type === 'ExternalName') return false
  if (pod.metadata.namespace !== metadata.namespace) return false
  if (!isSelected(spec, pod) || status?.podIP === undefined) return false
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return false
  if (spec.publishNotReadyAddresses === true) return true
  return !isTerminating && isReady(status)
}

/** A Service without a selector has no Pods. */
function isSelected({ selector }: ServiceSpec, { metadata }: Pod): boolean {
  if (selector === undefined || selector.size === 0) return false
  return [...selector].every(
    ([key, value]) => metadata.labels.get(key) === value,
  )
}

function isReady({ conditions }: PodStatus): boolean {
  return conditions.some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  )
}

function endpointOf(
  { metadata, spec }: Service,
  { pod, status, ownNetwork }: CandidatePod,
): readonly Endpoint[] {
  const { hostname = '', subdomain } = pod.spec
  if (status?.podIP === undefined) return []
  return [
    {
      ip: status.podIP,
      ...(hostname !== '' && subdomain === metadata.name && { hostname }),
      ...(ownNetwork && { ownNetwork }),
      targets: (spec.ports ?? []).map(({ targetPort, port, protocol }) =>
        targetOf(pod, targetPort ?? port ?? 0, protocol),
      ),
    },
  ]
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
