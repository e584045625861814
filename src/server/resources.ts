import { shortNames } from '../api/kind-words.ts'
import type { ShownKind } from '../api/types.ts'
import type { Collections } from './collections.ts'
import type { ObjectCache } from './object-cache.ts'
import { podTable } from './tables/pods.ts'
import type { TableFormat } from './tables/table.ts'
import {
  clusterTrustBundleTable,
  configMapTable,
  eventTable,
  namespaceTable,
  nodeTable,
  secretTable,
  serviceAccountTable,
  volumeTable,
} from './tables/objects.ts'
import { endpointSliceTable, endpointsTable } from './tables/endpoints.ts'
import {
  cronJobTable,
  daemonSetTable,
  deploymentTable,
  jobTable,
  replicaSetTable,
  replicationControllerTable,
  serviceTable,
  statefulSetTable,
} from './tables/workloads.ts'

/** The group of podfs's own kinds. */
export const podfsGroup = 'podfs.io'
/** The group of ClusterTrustBundles. */
export const certificatesGroup = 'certificates.k8s.io'
export const certificatesVersion = 'v1beta1'
/** The group from which `kubectl top` has its figures; see pod-metrics.ts. */
export const metricsGroup = 'metrics.k8s.io'
export const metricsVersion = 'v1beta1'
/** The group of EndpointSlices. */
export const discoveryGroup = 'discovery.k8s.io'

const groups = [
  certificatesGroup,
  '',
  'apps',
  'batch',
  discoveryGroup,
  podfsGroup,
] as const

/** One resource of the API: what discovery says of it, and how to get at it. */
export interface Resource {
  readonly group: (typeof groups)[number]
  readonly version: 'v1' | typeof certificatesVersion
  readonly kind: string
  readonly plural: string
  readonly singular: string
  readonly shortNames: readonly string[]
  /** `all`: part of `kubectl get all`. */
  readonly categories: readonly string[]
  readonly namespaced: boolean
  /** Further paths below an object, such as `log`. */
  readonly subresources: readonly {
    readonly name: string
    readonly verbs: readonly ('get' | 'create' | 'patch' | 'update')[]
    /** Where it is an object of another kind. */
    readonly of?: Readonly<Record<'group' | 'version' | 'kind', string>>
  }[]
  /** Beside get, list and watch. */
  readonly verbs: readonly string[]
  /** By what a fieldSelector can select, beside name and namespace. */
  readonly fields: readonly string[]
  readonly table: TableFormat
  readonly cache: (collections: Collections) => ObjectCache
}

const core = {
  group: '',
  version: 'v1',
  categories: [],
  subresources: [],
  verbs: [],
  fields: [],
} as const

const inAll = { categories: ['all'] } as const

/** What podfs only shows. */
const shown: Readonly<
  Record<
    ShownKind,
    Pick<Resource, 'group' | 'table'> & Partial<Pick<Resource, 'categories'>>
  >
> = {
  Endpoints: { group: '', table: endpointsTable },
  ReplicationController: {
    group: '',
    table: replicationControllerTable,
    ...inAll,
  },
  Service: { group: '', table: serviceTable, ...inAll },
  DaemonSet: { group: 'apps', table: daemonSetTable, ...inAll },
  Deployment: { group: 'apps', table: deploymentTable, ...inAll },
  ReplicaSet: { group: 'apps', table: replicaSetTable, ...inAll },
  StatefulSet: { group: 'apps', table: statefulSetTable, ...inAll },
  CronJob: { group: 'batch', table: cronJobTable, ...inAll },
  Job: { group: 'batch', table: jobTable, ...inAll },
  EndpointSlice: { group: discoveryGroup, table: endpointSliceTable },
}

/** See scale.ts. */
const scale: Resource['subresources'][number] = {
  name: 'scale',
  verbs: ['get', 'patch', 'update'],
  of: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
}

const scalable: ReadonlySet<ShownKind> = new Set([
  'Deployment',
  'ReplicaSet',
  'ReplicationController',
  'StatefulSet',
])

const shownResources = (Object.keys(shown) as ShownKind[]).map(
  (kind): Resource => {
    const singular = kind.toLowerCase()
    return {
      ...core,
      ...shown[kind],
      kind,
      plural: kind === 'Endpoints' ? singular : `${singular}s`,
      singular,
      shortNames: shortNames[kind],
      subresources: scalable.has(kind) ? [scale] : [],
      namespaced: true,
      cache: collections => collections.shown(kind),
    }
  },
)

const all: readonly Resource[] = [
  {
    ...core,
    group: certificatesGroup,
    version: certificatesVersion,
    kind: 'ClusterTrustBundle',
    plural: 'clustertrustbundles',
    singular: 'clustertrustbundle',
    shortNames: [],
    namespaced: false,
    fields: ['spec.signerName'],
    table: clusterTrustBundleTable,
    cache: ({ clusterTrustBundles }) => clusterTrustBundles,
  },
  {
    ...core,
    kind: 'ConfigMap',
    plural: 'configmaps',
    singular: 'configmap',
    shortNames: shortNames.ConfigMap,
    namespaced: true,
    table: configMapTable,
    cache: ({ configMaps }) => configMaps,
  },
  {
    ...core,
    kind: 'Event',
    plural: 'events',
    singular: 'event',
    shortNames: ['ev'],
    namespaced: true,
    fields: [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'type',
    ],
    table: eventTable,
    cache: ({ events }) => events,
  },
  {
    ...core,
    kind: 'Namespace',
    plural: 'namespaces',
    singular: 'namespace',
    shortNames: ['ns'],
    namespaced: false,
    table: namespaceTable,
    cache: ({ namespaces }) => namespaces,
  },
  {
    ...core,
    kind: 'Node',
    plural: 'nodes',
    singular: 'node',
    shortNames: ['no'],
    namespaced: false,
    table: nodeTable,
    cache: ({ nodes }) => nodes,
  },
  {
    ...core,
    kind: 'Pod',
    plural: 'pods',
    singular: 'pod',
    shortNames: shortNames.Pod,
    categories: ['all'],
    namespaced: true,
    // See pod-changes.ts, and pod-streams.ts.
    subresources: [
      { name: 'attach', verbs: ['get'] },
      { name: 'ephemeralcontainers', verbs: ['get', 'patch', 'update'] },
      { name: 'exec', verbs: ['get'] },
      { name: 'log', verbs: ['get'] },
      { name: 'portforward', verbs: ['create', 'get'] },
      { name: 'restart', verbs: ['create'] },
      { name: 'start', verbs: ['create'] },
      { name: 'status', verbs: ['get', 'patch', 'update'] },
      { name: 'stop', verbs: ['create'] },
    ],
    verbs: ['delete', 'deletecollection', 'patch', 'update'],
    fields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.serviceAccountName',
      'status.phase',
      'status.podIP',
    ],
    table: podTable,
    cache: ({ pods }) => pods,
  },
  {
    ...core,
    kind: 'Secret',
    plural: 'secrets',
    singular: 'secret',
    shortNames: [],
    namespaced: true,
    fields: ['type'],
    table: secretTable,
    cache: ({ secrets }) => secrets,
  },
  {
    ...core,
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    singular: 'serviceaccount',
    shortNames: shortNames.ServiceAccount,
    namespaced: true,
    table: serviceAccountTable,
    cache: ({ serviceAccounts }) => serviceAccounts,
  },
  ...shownResources,
  {
    ...core,
    group: podfsGroup,
    kind: 'Volume',
    plural: 'volumes',
    singular: 'volume',
    shortNames: ['vol'],
    categories: ['all'],
    namespaced: true,
    // See volume-subresources.ts.
    subresources: [
      { name: 'generations', verbs: ['get'] },
      { name: 'rollback', verbs: ['create'] },
      { name: 'unpin', verbs: ['create'] },
    ],
    table: volumeTable,
    cache: ({ volumes }) => volumes,
  },
]

/** By group, and in a group by name, as discovery gives them. */
export const resources = all.toSorted(
  (a, b) =>
    groups.indexOf(a.group) - groups.indexOf(b.group) ||
    (a.plural < b.plural ? -1 : 1),
)
