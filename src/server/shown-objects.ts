import { isDeepStrictEqual } from 'node:util'
import { part, type JsonObject } from '../api/json.ts'
import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import { serviceKinds } from '../api/schema/service-kinds.ts'
import { workloadKinds } from '../api/schema/workloads.ts'
import type { Pod, ServiceKind, ShownKind, ShownObject } from '../api/types.ts'
import { encodeShown } from './encode-shown.ts'
import type { MadeObject } from './endpoint-objects.ts'
import { ObjectCache, type Revisions } from './object-cache.ts'
import type { JobRecord } from './session-record.ts'
import type { ServiceEntry } from '../services/service-table.ts'
import type { OwnPod } from './workload-status.ts'

/** What is shown of one object; a state that shows the same is none. */
interface Shown {
  readonly object: ShownObject
  readonly generation: number
  readonly status: JsonObject
}

const kinds: readonly ShownKind[] = [
  ...workloadKinds,
  ...(Object.keys(serviceKinds) as ServiceKind[]),
]

/** The workloads and Services of the files, with the status that the Pods that run give them. */
export class ShownObjects {
  readonly caches: ReadonlyMap<ShownKind, ObjectCache>
  readonly #shown = new Map<ObjectKey, Shown>()
  /** By workload, also of one that is yet to come, and by name. */
  readonly #pods = new Map<ObjectKey, Map<string, OwnPod>>()
  readonly #replicas = new Map<ObjectKey, number>()
  readonly #jobs = new Map<ObjectKey, JobRecord>()
  readonly #services = new Map<ObjectKey, ServiceEntry>()
  readonly #made = new Map<
    ObjectKey,
    { readonly object: MadeObject; readonly generation: number }
  >()

  constructor(revisions: Revisions) {
    this.caches = new Map(kinds.map(kind => [kind, new ObjectCache(revisions)]))
  }

  set(object: ShownObject): void {
    const key = keyOf(object)
    const before = this.#shown.get(key)
    const isSameSpec =
      before === undefined || isDeepStrictEqual(before.object.spec, object.spec)
    const generation = (before?.generation ?? 1) + (isSameSpec ? 0 : 1)
    this.#show(key, object, generation)
  }

  delete({ kind, metadata }: ShownObject): void {
    const { namespace, name } = metadata
    const key = objectKey(kind, namespace, name)
    this.#shown.delete(key)
    if (!this.#made.has(key)) this.caches.get(kind)?.delete(namespace, name)
  }

  /**
   * A Pod of a workload is another one now, or in another state; `own` undefined: it is gone, or
   * nobody runs it.
   */
  setPod({ workload, metadata }: Pod, own: OwnPod | undefined): void {
    if (workload === undefined) return
    const key = objectKey(workload.kind, metadata.namespace, workload.name)
    const pods = this.#pods.get(key) ?? new Map<string, OwnPod>()
    if (own === undefined) pods.delete(metadata.name)
    else pods.set(metadata.name, own)
    if (pods.size === 0) this.#pods.delete(key)
    else this.#pods.set(key, pods)
    this.#showAgain(key)
  }

  /** A workload was scaled; undefined: it is as its file says again. */
  setReplicas(key: ObjectKey, replicas: number | undefined): void {
    if (this.#replicas.get(key) === replicas) return
    if (replicas === undefined) this.#replicas.delete(key)
    else this.#replicas.set(key, replicas)
    const shown = this.#shown.get(key)
    if (shown !== undefined) this.#show(key, shown.object, shown.generation + 1)
  }

  /** The Job of a Job or CronJob fares otherwise now; undefined: nothing is known of one. */
  setJob(key: ObjectKey, job: JobRecord | undefined): void {
    if (job === undefined) this.#jobs.delete(key)
    else this.#jobs.set(key, job)
    this.#showAgain(key)
  }

  /** All of them. */
  setServices(entries: readonly ServiceEntry[]): void {
    const before = new Map(this.#services)
    this.#services.clear()
    for (const entry of entries)
      this.#services.set(
        objectKey('Service', entry.namespace, entry.name),
        entry,
      )
    for (const key of new Set([...before.keys(), ...this.#services.keys()])) {
      const shown = this.#shown.get(key)
      if (shown === undefined) continue
      if (!isDeepStrictEqual(before.get(key), this.#services.get(key)))
        this.#show(key, shown.object, shown.generation)
    }
  }

  /** All objects that are in no file; one in a file that is called alike is not shown. */
  setMade(objects: readonly MadeObject[]): void {
    const now = new Map(
      objects.map(object => {
        const { kind, namespace, name } = object
        return [objectKey(kind, namespace, name), object]
      }),
    )
    for (const [key, { object }] of this.#made)
      if (!now.has(key)) {
        this.#made.delete(key)
        this.caches.get(object.kind)?.delete(object.namespace, object.name)
        const shown = this.#shown.get(key)
        if (shown !== undefined) this.#show(key, shown.object, shown.generation)
      }
    for (const [key, object] of now) {
      const before = this.#made.get(key)
      if (isDeepStrictEqual(before?.object, object)) continue
      const generation = (before?.generation ?? 0) + 1
      this.#made.set(key, { object, generation })
      this.#showMade(object, generation)
    }
  }

  #showMade(object: MadeObject, generation: number): void {
    const { kind, namespace, name, labels, content } = object
    const metadata = part(content, 'metadata')
    this.caches.get(kind)?.set({
      namespace,
      name,
      labels,
      fields: fieldsOf(namespace, name),
      json: () => ({
        ...content,
        // Endpoints have none.
        metadata: kind === 'Endpoints' ? metadata : { ...metadata, generation },
      }),
    })
  }

  #encode(key: ObjectKey, object: ShownObject, generation: number): JsonObject {
    return encodeShown(object, generation, {
      pods: [...(this.#pods.get(key)?.values() ?? [])],
      replicas: this.#replicas.get(key),
      job: this.#jobs.get(key),
      service: this.#services.get(key),
    })
  }

  #showAgain(key: ObjectKey): void {
    const shown = this.#shown.get(key)
    if (shown === undefined) return
    const { object, generation, status } = shown
    if (!isDeepStrictEqual(this.#status(key, object, generation), status))
      this.#show(key, object, generation)
  }

  #show(key: ObjectKey, object: ShownObject, generation: number): void {
    const { namespace, name, labels } = object.metadata
    const status = this.#status(key, object, generation)
    this.#shown.set(key, { object, generation, status })
    if (this.#made.has(key)) return
    this.caches.get(object.kind)?.set({
      namespace,
      name,
      labels,
      fields: fieldsOf(namespace, name),
      json: () => this.#encode(key, object, generation),
    })
  }

  #status(key: ObjectKey, object: ShownObject, generation: number): JsonObject {
    return part(this.#encode(key, object, generation), 'status')
  }
}

function fieldsOf(
  namespace: string,
  name: string,
): ReadonlyMap<string, string> {
  return new Map([
    ['metadata.name', name],
    ['metadata.namespace', namespace],
  ])
}
