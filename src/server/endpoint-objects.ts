import { createHash } from 'node:crypto'
import type { JsonObject } from '../api/json.ts'
import type { ObjectMeta, ServiceKind } from '../api/types.ts'
import { nameBasedUuid } from '../util/name-based-uuid.ts'
import {
  managedByLabel,
  serviceNameLabel,
  sliceController,
  subsetsOf,
  type GivenAddress,
  type GivenPort,
} from '../services/given-endpoints.ts'
import type { ServiceBackends } from '../services/service-backends.ts'
import type { ServiceMember } from '../services/service-entry.ts'
import type { Service } from '../services/service.ts'

/*
 * EndpointSlices and Endpoints as the controllers of Kubernetes make them: endpointslice-controller
 * (staging/src/k8s.io/endpointslice), endpointslicemirroring-controller and endpoint-controller
 * (pkg/controller) of v1.34. Pure.
 */

/** An object that is in no file. */
export interface MadeObject {
  readonly kind: ServiceKind
  readonly namespace: string
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  /** All of it but its generation. */
  readonly content: JsonObject
}

const headlessLabel = 'service.kubernetes.io/headless'
const mirroringController = 'endpointslicemirroring-controller.k8s.io'

/** `node`: the name of this one. */
export function endpointObjects(
  backends: ServiceBackends,
  node: string,
): readonly MadeObject[] {
  const { service, members, endpoints } = backends
  if (members !== undefined) {
    const groups = byPorts(members, member => portsOf(service, member))
    return [
      ...slicesOf(service, members, groups, node),
      endpointsOf(service, groups, node),
    ]
  }
  return endpoints === undefined ? [] : mirrors(service, endpoints)
}

interface Group<T> {
  readonly ports: readonly JsonObject[]
  readonly members: readonly T[]
}

/** Those with the same ports are together. */
function byPorts<T>(
  members: readonly T[],
  portsOf: (member: T) => readonly JsonObject[],
): readonly Group<T>[] {
  const groups = new Map<
    string,
    { ports: readonly JsonObject[]; members: T[] }
  >()
  for (const member of members) {
    const ports = portsOf(member)
    const key = JSON.stringify(ports)
    const group = groups.get(key) ?? { ports, members: [] }
    group.members.push(member)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** getEndpointPorts, staging/src/k8s.io/endpointslice/utils.go. */
function portsOf(
  { spec }: Service,
  { targets }: ServiceMember,
): readonly JsonObject[] {
  return (spec.ports ?? []).flatMap(
    ({ name = '', protocol, appProtocol }, i) => {
      const port = targets[i]
      return port === undefined
        ? []
        : {
            ...(appProtocol !== undefined && { appProtocol }),
            name,
            port,
            protocol,
          }
    },
  )
}

function slicesOf(
  service: Service,
  members: readonly ServiceMember[],
  groups: readonly Group<ServiceMember>[],
  node: string,
): readonly MadeObject[] {
  const { labels } = service.metadata
  const make = (
    ports: readonly JsonObject[] | null,
    list: JsonObject[] | null,
  ) =>
    slice(service, 'Service', {
      labels: new Map([
        ...labels,
        ...headless(service),
        [managedByLabel, sliceController],
        [serviceNameLabel, service.metadata.name],
      ]),
      ports,
      endpoints: list,
    })
  // With no Pod there is one all the same.
  if (members.length === 0) return [make(null, null)]
  return groups.map(({ ports, members }) =>
    make(
      ports,
      members.map(member => ({
        addresses: [member.ip],
        conditions: {
          ready: member.ready,
          serving: member.serving,
          terminating: member.terminating,
        },
        ...(member.hostname !== undefined && { hostname: member.hostname }),
        nodeName: node,
        targetRef: referenceTo(member),
      })),
    ),
  )
}

/** Endpoints of a Service without a selector, as slices. */
function mirrors(
  service: Service,
  endpoints: NonNullable<ServiceBackends['endpoints']>,
): readonly MadeObject[] {
  const { labels, name } = endpoints.metadata
  return subsetsOf(endpoints).map(
    ({ addresses = [], notReadyAddresses = [], ports = [] }) =>
      slice(service, 'Endpoints', {
        labels: new Map([
          ...labels,
          [managedByLabel, mirroringController],
          [serviceNameLabel, name],
        ]),
        ports: ports.map(mirroredPort),
        endpoints: [
          ...addresses.map(address => mirrored(address, true)),
          ...notReadyAddresses.map(address => mirrored(address, false)),
        ],
        owner: endpoints.metadata,
      }),
  )
}

function mirroredPort({ name = '', ...port }: GivenPort): JsonObject {
  return { name, ...port }
}

function mirrored(
  { ip, hostname, nodeName, targetRef }: GivenAddress,
  ready: boolean,
): JsonObject {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname !== undefined && { hostname }),
    ...(nodeName !== undefined && { nodeName }),
    ...(targetRef instanceof Map && {
      targetRef: Object.fromEntries(targetRef) as JsonObject,
    }),
  }
}

function slice(
  { metadata }: Service,
  ownerKind: 'Service' | 'Endpoints',
  about: {
    readonly labels: ReadonlyMap<string, string>
    readonly ports: readonly JsonObject[] | null
    readonly endpoints: readonly JsonObject[] | null
    readonly owner?: ObjectMeta
  },
): MadeObject {
  const { namespace } = metadata
  const { labels, ports, endpoints, owner = metadata } = about
  const suffix = suffixOf(`${owner.uid} ${JSON.stringify(ports)}`)
  const name = `${owner.name}-${suffix}`
  return {
    kind: 'EndpointSlice',
    namespace,
    name,
    labels,
    content: {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        // Its controller makes it within the second.
        creationTimestamp: owner.creationTimestamp ?? '',
        generateName: `${owner.name}-`,
        labels: Object.fromEntries(labels),
        name,
        namespace,
        ownerReferences: [
          {
            apiVersion: 'v1',
            blockOwnerDeletion: true,
            controller: true,
            kind: ownerKind,
            name: owner.name,
            uid: owner.uid,
          },
        ],
        uid: nameBasedUuid(`podfs-endpointslice ${namespace}/${name}`),
      },
      addressType: 'IPv4',
      endpoints,
      ports,
    },
  }
}

/** Five of the letters that Kubernetes takes (staging/src/k8s.io/apimachinery/pkg/util/rand). */
function suffixOf(text: string): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  const digest = createHash('sha256').update(text).digest()
  return [...digest.subarray(0, 5)]
    .map(byte => alphabet.charAt(byte % alphabet.length))
    .join('')
}

function endpointsOf(
  service: Service,
  groups: readonly Group<ServiceMember>[],
  node: string,
): MadeObject {
  const { namespace, name } = service.metadata
  const labels = new Map([
    ...service.metadata.labels,
    ['endpoints.kubernetes.io/managed-by', 'endpoint-controller'],
    ...headless(service),
  ])
  const isPortless = (service.spec.ports ?? []).length === 0
  const subsets = groups
    .filter(({ ports }) => isPortless || ports.length > 0)
    .map(({ ports, members }) => {
      const which = (ready: boolean): JsonObject[] =>
        members
          .filter(
            member => member.ready === ready && (ready || !member.terminating),
          )
          .map(member => ({
            ...(member.hostname !== undefined && { hostname: member.hostname }),
            ip: member.ip,
            nodeName: node,
            targetRef: referenceTo(member),
          }))
      const addresses = which(true)
      const notReadyAddresses = which(false)
      return {
        ...(addresses.length > 0 && { addresses }),
        ...(notReadyAddresses.length > 0 && { notReadyAddresses }),
        ...(ports.length > 0 && {
          ports: ports.map(({ name, ...port }) =>
            name === '' ? port : { ...port, name: name ?? '' },
          ),
        }),
      }
    })
    .filter(subset => 'addresses' in subset || 'notReadyAddresses' in subset)
  return {
    kind: 'Endpoints',
    namespace,
    name,
    labels,
    content: {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: {
        creationTimestamp: service.metadata.creationTimestamp ?? '',
        labels: Object.fromEntries(labels),
        name,
        namespace,
        uid: nameBasedUuid(`podfs-endpoints ${namespace}/${name}`),
      },
      ...(subsets.length > 0 && { subsets }),
    },
  }
}

function headless({ spec }: Service): [string, string][] {
  return spec.clusterIP === 'None' ? [[headlessLabel, '']] : []
}

function referenceTo({ pod }: ServiceMember): JsonObject {
  const { namespace, name, uid } = pod.metadata
  return { kind: 'Pod', name, namespace, uid }
}
