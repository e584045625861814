import type { ShownObject } from '../api/types.ts'
import type { Endpoint } from './service-table.ts'
import { hasSelector, type Service } from './service.ts'

/** Labels of an EndpointSlice (staging/src/k8s.io/api/discovery/v1/well_known_labels.go). */
export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
/** What the controller of Kubernetes calls itself there. */
export const sliceController = 'endpointslice-controller.k8s.io'
const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror'

export interface GivenPort {
  readonly name?: string
  readonly protocol: string
  readonly port?: number
  readonly appProtocol?: string
}

interface GivenSlice {
  readonly addressType?: string
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[]
    readonly conditions?: { readonly ready?: boolean }
    readonly hostname?: string
  }[]
  readonly ports?: readonly GivenPort[]
}

/** Of Endpoints. */
export interface GivenSubset {
  readonly addresses?: readonly GivenAddress[]
  readonly notReadyAddresses?: readonly GivenAddress[]
  readonly ports?: readonly GivenPort[]
}

export interface GivenAddress {
  readonly ip: string
  readonly hostname?: string
  readonly nodeName?: string
  readonly targetRef?: unknown
}

/** Whether Endpoints are those of a Service for which Kubernetes makes none, and so count. */
export function isMirrored(service: Service, endpoints: ShownObject): boolean {
  const { namespace, name, labels } = endpoints.metadata
  return (
    endpoints.kind === 'Endpoints' &&
    namespace === service.metadata.namespace &&
    name === service.metadata.name &&
    service.spec.type !== 'ExternalName' &&
    !hasSelector(service) &&
    labels.get(skipMirrorLabel) !== 'true'
  )
}

export function subsetsOf({ spec }: ShownObject): readonly GivenSubset[] {
  return (spec as { readonly subsets?: readonly GivenSubset[] }).subsets ?? []
}

/**
 * Where EndpointSlices and Endpoints of the input lead a Service: those that are ready, by IPv4
 * (newEndpointInfo, pkg/proxy/endpointslicecache.go). Pure.
 */
export function givenEndpoints(
  service: Service,
  objects: readonly ShownObject[],
): readonly Endpoint[] {
  if (service.spec.type === 'ExternalName') return []
  const found = new Map<string, Endpoint>()
  const add = (
    { ip, hostname }: GivenAddress,
    ports: readonly GivenPort[] = [],
  ): void => {
    const targets = (service.spec.ports ?? []).map(
      ({ name = '', protocol }) =>
        ports.find(
          port => (port.name ?? '') === name && port.protocol === protocol,
        )?.port,
    )
    const before = found.get(ip)
    found.set(ip, {
      ip,
      ...(hostname !== undefined && { hostname }),
      ownNetwork: true,
      // Each subset, and each slice, has some of the ports.
      targets: targets.map((target, i) => before?.targets[i] ?? target),
    })
  }
  for (const object of objects) {
    if (isMirrored(service, object))
      for (const { addresses = [], ports } of subsetsOf(object))
        for (const address of addresses) add(address, ports)
    if (!isSliceOf(service, object)) continue
    const { addressType, endpoints = [], ports } = object.spec as GivenSlice
    if (addressType !== 'IPv4') continue
    for (const { addresses = [], conditions, hostname } of endpoints) {
      const [ip] = addresses
      if (ip === undefined || conditions?.ready === false) continue
      add({ ip, ...(hostname !== undefined && { hostname }) }, ports)
    }
  }
  return [...found.values()]
}

/** One that the controller has made, in a cluster from which it was read, it would make anew. */
function isSliceOf(service: Service, { kind, metadata }: ShownObject): boolean {
  return (
    kind === 'EndpointSlice' &&
    metadata.namespace === service.metadata.namespace &&
    metadata.labels.get(serviceNameLabel) === service.metadata.name &&
    !(
      hasSelector(service) &&
      metadata.labels.get(managedByLabel) === sliceController
    )
  )
}
