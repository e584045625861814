import { items, text, type JsonObject } from '../api/json.ts'
import { encodeObject } from '../api/encode/encode-object.ts'
import { definitionOf } from '../api/schema/definition-of.ts'
import { kinds } from '../api/schema/kinds.ts'
import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import { formatFinding } from '../api/report.ts'
import type {
  KubeObject,
  Pod,
  ServedObject,
  ShownKind,
  ShownObject,
} from '../api/types.ts'
import { formatTime } from '../runner/status/container-status.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { qosClass } from '../api/qos-class.ts'
import type { Store } from '../store/store.ts'
import { encodeEvent } from './encode-event.ts'
import type { RecordedEvent } from './event-log.ts'
import { endpointObjects } from './endpoint-objects.ts'
import { encodeNode, type NodeFacts } from './encode-node.ts'
import { encodeVolume, volumeName } from './encode-volume.ts'
import type { PodControl } from './pod-control.ts'
import { ShownObjects } from './shown-objects.ts'
import { ObjectCache, Revisions, type ObjectState } from './object-cache.ts'
import type {
  LivePod,
  RecordChange,
  SessionRecord,
  VolumeRecord,
} from './session-record.ts'

export interface CollectionsOptions {
  readonly store: Store
  readonly record: SessionRecord
  readonly node: NodeFacts
  readonly now: number
  /** Whether the Pod, which does not run yet, is going to. */
  readonly isToRun?: ((pod: Pod) => boolean) | undefined
  readonly control?: PodControl | undefined
}

/** One cache for each resource, kept equal to the store and to what the session remembers. */
export class Collections {
  readonly pods: ObjectCache
  readonly secrets: ObjectCache
  readonly configMaps: ObjectCache
  readonly serviceAccounts: ObjectCache
  readonly clusterTrustBundles: ObjectCache
  readonly events: ObjectCache
  readonly nodes: ObjectCache
  /** `default`, and each that an object has been in: kubectl asks whether it exists. */
  readonly namespaces: ObjectCache
  readonly volumes: ObjectCache
  readonly #shownObjects: ShownObjects
  readonly #options: CollectionsOptions
  readonly #unsubscribe: readonly (() => void)[]
  /** As it is shown of each volume. */
  readonly #volumeErrors = new Map<string, string | undefined>()
  /** What is shown of each Pod; a state that shows the same is none. */
  readonly #shown = new Map<string, Pod>()

  constructor(options: CollectionsOptions) {
    this.#options = options
    const { store, record, node, now } = options
    const revisions = new Revisions(now)
    const cache = () => new ObjectCache(revisions)
    this.pods = cache()
    this.secrets = cache()
    this.configMaps = cache()
    this.serviceAccounts = cache()
    this.clusterTrustBundles = cache()
    this.events = cache()
    this.nodes = cache()
    this.namespaces = cache()
    this.#lookAtNamespace('default')
    this.volumes = cache()
    this.#shownObjects = new ShownObjects(revisions)

    for (const kind of dataKinds)
      for (const object of store.list(kind)) this.#setData(object)
    for (const kind of this.#shownObjects.caches.keys())
      for (const object of store.list(kind)) this.#setShown(object)
    for (const pod of store.list('Pod')) this.#lookAtPod(keyOf(pod))
    for (const key of record.pods.keys()) this.#lookAtPod(key)
    for (const [key, job] of record.jobs) this.#shownObjects.setJob(key, job)
    this.#shownObjects.setServices(record.serviceEntries)
    for (const [key, replicas] of record.replicas)
      this.#shownObjects.setReplicas(key, replicas)
    this.#setBackends()
    for (const event of record.events) this.events.set(eventState(event))
    for (const volume of record.volumes) this.#setVolume(volume)
    this.nodes.set({
      ...nameOnly('', node.node.name),
      json: () => encodeNode(node),
    })
    this.#unsubscribe = [
      store.watch(events => {
        for (const { type, object } of events) {
          if (object.kind === 'Pod') this.#lookAtPod(keyOf(object))
          else if (isShown(object)) {
            if (type === 'DELETED') this.#shownObjects.delete(object)
            else this.#setShown(object)
          } else if (type === 'DELETED')
            this.#cacheOf(object).delete(
              object.metadata.namespace,
              object.metadata.name,
            )
          else this.#setData(object)
        }
      }),
      record.watch(change => this.#follow(change)),
      store.watchKept(() => {
        for (const volume of record.volumes)
          if (this.#volumeErrors.get(volumeKey(volume)) !== this.#error(volume))
            this.#setVolume(volume)
      }),
    ]
  }

  /** Of a kind that is only shown. */
  shown(kind: ShownKind): ObjectCache {
    const cache = this.#shownObjects.caches.get(kind)
    if (cache === undefined) throw new TypeError(`no cache of ${kind}`)
    return cache
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
  }

  #follow(change: RecordChange): void {
    switch (change.kind) {
      case 'pod':
        return this.#lookAtPod(change.key)
      case 'job':
        return this.#shownObjects.setJob(
          change.key,
          this.#options.record.jobs.get(change.key),
        )
      case 'services':
        return this.#shownObjects.setServices(
          this.#options.record.serviceEntries,
        )
      case 'replicas':
        return this.#shownObjects.setReplicas(
          change.key,
          this.#options.record.replicas.get(change.key),
        )
      case 'backends':
        return this.#setBackends()
      case 'event': {
        const { event, type } = change
        if (type === 'set') this.events.set(eventState(event))
        else this.events.delete(event.involvedObject.namespace, event.name)
        return
      }
      case 'volume':
        return this.#setVolume(change.volume)
      case 'volumeGone':
        this.#volumeErrors.delete(volumeKey(change.volume))
        this.volumes.delete(change.volume.namespace, volumeName(change.volume))
    }
  }

  #setBackends(): void {
    const { record, node } = this.#options
    this.#shownObjects.setMade(
      record.serviceBackends.flatMap(backends =>
        endpointObjects(backends, node.node.name),
      ),
    )
  }

  #setVolume(volume: VolumeRecord): void {
    const error = this.#error(volume)
    this.#volumeErrors.set(volumeKey(volume), error)
    this.volumes.set({
      ...nameOnly(volume.namespace, volumeName(volume)),
      json: () => encodeVolume(volume, error),
    })
  }

  /** Also why it is not what the files say: a mistake keeps what was read before. */
  #error(volume: VolumeRecord): string | undefined {
    const { error, containersError, namespace, pod, objects } = volume
    if (error !== undefined) return error
    if (containersError !== undefined) return containersError
    // Its definition, and its downward API items, are the Pod's.
    for (const key of [...objects, objectKey('Pod', namespace, pod)]) {
      const mistake = this.#options.store.whyKept(key)
      if (mistake !== undefined) return formatFinding(mistake)
    }
    return undefined
  }

  #lookAtNamespace(name: string): void {
    if (this.namespaces.get('', name) !== undefined) return
    this.namespaces.set({
      ...nameOnly('', name),
      json: () => ({
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: {
          name,
          creationTimestamp: formatTime(this.#options.node.startedAt),
        },
        spec: {},
        status: { phase: 'Active' },
      }),
    })
  }

  #cacheOf({ kind }: DataObject): ObjectCache {
    switch (kind) {
      case 'Secret':
        return this.secrets
      case 'ConfigMap':
        return this.configMaps
      case 'ClusterTrustBundle':
        return this.clusterTrustBundles
      case 'ServiceAccount':
    }
    return this.serviceAccounts
  }

  #setData(object: DataObject): void {
    const { namespace } = object.metadata
    if (namespace !== '') this.#lookAtNamespace(namespace)
    this.#cacheOf(object).set({
      ...common(object),
      fields: fieldsOf(object, selectableFields(object)),
      json: () => encodeObject(object),
      bytes: sizeOf(object),
    })
  }

  #setShown(object: ShownObject): void {
    this.#lookAtNamespace(object.metadata.namespace)
    this.#shownObjects.set(object)
  }

  #withoutStatus(pod: Pod): WithoutStatus {
    const { isToRun, record, control } = this.#options
    const key = keyOf(pod)
    if (record.pods.has(key)) return pending
    if (control?.held(key) === 'stopped') return stopped
    return isToRun?.(pod) === true ? pending : notRun
  }

  /**
   * A Pod that runs is shown as it runs, also after it has left its files; one that does not
   * run as the files have it.
   */
  #lookAtPod(key: ObjectKey): void {
    const { store, record, node, control } = this.#options
    const live = record.pods.get(key)
    const isDeleted = control?.held(key) === 'deleted'
    const inFiles = isDeleted ? undefined : (store.get(key) as Pod | undefined)
    const pod = live?.pod ?? inFiles
    if (pod === undefined) {
      const { namespace = '', name = '' } =
        /^Pod\/(?<namespace>[^/]*)\/(?<name>.*)$/.exec(key)?.groups ?? {}
      const gone = this.#shown.get(key)
      if (gone !== undefined) this.#shownObjects.setPod(gone, undefined)
      this.#shown.delete(key)
      return this.pods.delete(namespace, name)
    }
    const shown = this.#shown.get(key)
    const isSamePod = shown?.metadata.uid === pod.metadata.uid
    this.#shown.set(key, pod)
    const { namespace, name } = pod.metadata
    this.#lookAtNamespace(namespace)
    // Another Pod of the same name: its clients see the old one go.
    if (shown !== undefined && !isSamePod) this.pods.delete(namespace, name)
    const status = live?.status ?? this.#withoutStatus(pod)
    const owner = this.#ownerOf(pod)
    const nodeName = nodeOf(pod, live?.status, node.node.name)
    this.pods.set({
      ...common(pod),
      fields: fieldsOf(pod, {
        'spec.nodeName': nodeName,
        'spec.restartPolicy': pod.spec.restartPolicy,
        'spec.serviceAccountName': pod.spec.serviceAccountName,
        'status.phase': status.phase,
        'status.podIP': live?.status?.podIP ?? '',
      }),
      json: () => podJson(pod, { live, status, owner }, nodeName),
    })
    const { uid, creationTimestamp = '' } = pod.metadata
    this.#shownObjects.setPod(
      pod,
      status === notRun || status === stopped
        ? undefined
        : {
            namespace,
            name,
            uid,
            creationTimestamp,
            status: status as unknown as JsonObject,
            isTerminating: live?.deletion !== undefined,
          },
    )
  }

  /** What the Pod says of its workload, by which kubectl finds the Pods of one. */
  #ownerOf({ workload, metadata }: Pod): JsonObject | undefined {
    if (workload === undefined) return undefined
    const { kind, name } = workload
    const key = objectKey(kind, metadata.namespace, name)
    const owner = this.#options.store.get(key)
    return (
      owner && {
        apiVersion: definitionOf(kind).apiVersion,
        kind,
        name,
        uid: owner.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      }
    )
  }
}

/** About to be run. */
const pending = { phase: 'Pending' } as const

/** What has no status. */
type DataObject = Exclude<ServedObject, Pod>

function isShown(object: KubeObject): object is ShownObject {
  return !Object.hasOwn(kinds, object.kind)
}

/** By what a fieldSelector can select, beside name and namespace. */
function selectableFields(
  object: DataObject,
): Readonly<Record<string, string>> {
  if (object.kind === 'Secret') return { type: object.type }
  return object.kind === 'ClusterTrustBundle'
    ? { 'spec.signerName': object.spec.signerName ?? '' }
    : {}
}

const dataKinds = Object.keys({
  Secret: true,
  ConfigMap: true,
  ServiceAccount: true,
  ClusterTrustBundle: true,
} satisfies Record<DataObject['kind'], true>) as DataObject['kind'][]

/** `podfs mount` serves the volumes of a Pod, and several Pods may stand in a manifest. */
const notRun = {
  phase: 'Pending',
  reason: 'NotRun',
  message: 'this podfs does not run the containers of the Pod',
} as const

/** By hand. */
const stopped = {
  phase: 'Pending',
  reason: 'NotRun',
  message: 'it was stopped; podfs start runs it again',
} as const

type WithoutStatus = typeof notRun | typeof pending | typeof stopped

/** '' while it is on none, which its status tells: no kubelet has seen it. */
function nodeOf(
  { spec }: Pod,
  status: PodStatus | undefined,
  node: string,
): string {
  const isElsewhere = status !== undefined && status.hostIP === undefined
  return isElsewhere ? (spec.nodeName ?? '') : node
}

function podJson(
  pod: Pod,
  {
    live,
    status,
    owner,
  }: {
    readonly live: LivePod | undefined
    readonly status: PodStatus | WithoutStatus
    readonly owner: JsonObject | undefined
  },
  nodeName: string,
): JsonObject {
  const encoded = encodeObject(pod)
  const deletion = live?.deletion
  return {
    ...encoded,
    metadata: {
      ...(encoded['metadata'] as JsonObject),
      // The deletion is a change, too (BeforeDelete, apiserver/pkg/registry/rest/delete.go).
      generation:
        (pod.metadata.generation ?? 1) + (deletion === undefined ? 0 : 1),
      ...(owner === undefined ? {} : { ownerReferences: [owner] }),
      ...(deletion === undefined
        ? {}
        : {
            deletionTimestamp: formatTime(deletion.time),
            deletionGracePeriodSeconds: deletion.gracePeriodSeconds,
          }),
    },
    spec: {
      ...(encoded['spec'] as JsonObject),
      ...(nodeName === '' ? {} : { nodeName }),
    },
    status: {
      ...withPids(status, live?.processes?.() ?? new Map()),
      // The API server gives it to each Pod that it takes (pkg/registry/core/pod/strategy.go).
      qosClass: qosClass(pod),
    },
  }
}

/**
 * With the pid of each container's first process, in podfs's own PID namespace, so that
 * nsenter(1) finds it. Kubernetes has no such field.
 */
function withPids(
  status: PodStatus | WithoutStatus,
  processes: ReadonlyMap<string, number>,
): JsonObject {
  // JSON already, and typed more narrowly.
  const json = status as unknown as JsonObject
  const withPid = (container: JsonObject): JsonObject => {
    const pid = processes.get(text(container['name']))
    return pid === undefined ? container : { ...container, pid }
  }
  const {
    initContainerStatuses: _init,
    containerStatuses: _all,
    ephemeralContainerStatuses: _ephemeral,
    ...rest
  } = json
  return {
    ...rest,
    ...Object.fromEntries(
      (
        [
          'initContainerStatuses',
          'containerStatuses',
          'ephemeralContainerStatuses',
        ] as const
      ).flatMap(key => {
        const statuses = items(json, key)
        return statuses.length === 0 ? [] : [[key, statuses.map(withPid)]]
      }),
    ),
  }
}

function common(
  object: KubeObject,
): Pick<ObjectState, 'namespace' | 'name' | 'labels'> {
  const { namespace, name, labels } = object.metadata
  return { namespace, name, labels }
}

function fieldsOf(
  { metadata }: KubeObject,
  more: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map([
    ['metadata.name', metadata.name],
    ['metadata.namespace', metadata.namespace],
    ...Object.entries(more),
  ])
}

function nameOnly(namespace: string, name: string): Omit<ObjectState, 'json'> {
  return {
    namespace,
    name,
    labels: new Map(),
    fields: new Map([
      ['metadata.name', name],
      ['metadata.namespace', namespace],
    ]),
  }
}

function eventState(event: RecordedEvent): ObjectState {
  const { involvedObject, name, reason, type } = event
  const { namespace } = involvedObject
  return {
    ...nameOnly(namespace, name),
    fields: new Map([
      ['metadata.name', name],
      ['metadata.namespace', namespace],
      ['involvedObject.kind', involvedObject.kind],
      ['involvedObject.namespace', namespace],
      ['involvedObject.name', involvedObject.name],
      ['involvedObject.uid', involvedObject.uid],
      ['involvedObject.apiVersion', 'v1'],
      ['involvedObject.fieldPath', involvedObject.fieldPath ?? ''],
      ['reason', reason],
      ['type', type],
    ]),
    json: () => encodeEvent(event),
  }
}

function volumeKey(volume: VolumeRecord): string {
  return `${volume.namespace}/${volumeName(volume)}`
}

function sizeOf(object: DataObject): number {
  return valuesOf(object).reduce((sum, { length }) => sum + length, 1024)
}

function valuesOf(object: DataObject): readonly (string | Uint8Array)[] {
  switch (object.kind) {
    case 'Secret':
      return [...object.data.values()]
    case 'ConfigMap':
      return [...object.data.values(), ...object.binaryData.values()]
    case 'ClusterTrustBundle':
      return [object.spec.trustBundle]
    case 'ServiceAccount':
  }
  return []
}
