import type { JsonObject } from '../api/json.ts'

/** One state of one object, as a list gives it out. */
export interface CachedObject {
  /** '' for what has no namespace. */
  readonly namespace: string
  readonly name: string
  readonly resourceVersion: number
  readonly labels: ReadonlyMap<string, string>
  /** What a fieldSelector can ask for. */
  readonly fields: ReadonlyMap<string, string>
  /** Made when it is asked for: most states are never looked at. */
  readonly json: () => JsonObject
}

/** What a resource hands in; the cache gives the version. */
export interface ObjectState extends Omit<
  CachedObject,
  'resourceVersion' | 'json'
> {
  /** Without metadata.resourceVersion. */
  readonly json: () => JsonObject
  /** Roughly how many bytes this state keeps in memory. */
  readonly bytes?: number
}

export interface CacheEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** Of DELETED the last state, with a version of its own. */
  readonly object: CachedObject
  readonly old?: CachedObject
}

/**
 * The one counter behind all resourceVersions of a server. It begins with the time, so that a
 * version which another podfs gave out is always an old one here, never one that is yet to
 * come or, worse, one that means something else.
 */
export class Revisions {
  #current: number
  constructor(now: number) {
    this.#current = now
  }
  get current(): number {
    return this.#current
  }
  next(): number {
    return (this.#current += 1)
  }
}

const defaultBytes = 4096
const historyBytes = 4 * 1024 * 1024
const historyEvents = 1000

/**
 * The objects of one resource and what happened to them lately, so that a watch can begin at
 * any version that is not too old. The history is bounded in events and in bytes: old states
 * of a large ConfigMap must not pile up.
 */
export class ObjectCache {
  readonly #revisions: Revisions
  readonly #objects = new Map<string, CachedObject>()
  readonly #listeners = new Set<(event: CacheEvent) => void>()
  readonly #history: { readonly event: CacheEvent; readonly bytes: number }[] =
    []
  #bytes = 0
  /** The version of the newest event that the history has forgotten. */
  #forgotten: number

  constructor(revisions: Revisions) {
    this.#revisions = revisions
    this.#forgotten = revisions.current
  }

  get resourceVersion(): number {
    return this.#revisions.current
  }

  /** Adds the object or replaces it. */
  set(state: ObjectState): void {
    const key = keyOf(state.namespace, state.name)
    const old = this.#objects.get(key)
    const object = versioned(state, this.#revisions.next())
    this.#objects.set(key, object)
    const event: CacheEvent =
      old === undefined
        ? { type: 'ADDED', object }
        : { type: 'MODIFIED', object, old }
    this.#tell(event, state.bytes ?? defaultBytes)
  }

  delete(namespace: string, name: string): void {
    const key = keyOf(namespace, name)
    const old = this.#objects.get(key)
    if (old === undefined) return
    this.#objects.delete(key)
    const object = versioned(old, this.#revisions.next())
    this.#tell({ type: 'DELETED', object, old }, defaultBytes)
  }

  get(namespace: string, name: string): CachedObject | undefined {
    return this.#objects.get(keyOf(namespace, name))
  }

  /** Sorted by namespace and name. */
  list(namespace?: string): readonly CachedObject[] {
    return [...this.#objects]
      .filter(
        ([, object]) =>
          namespace === undefined || object.namespace === namespace,
      )
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
  }

  /** What happened after that version; undefined when that is no longer known. */
  since(resourceVersion: number): readonly CacheEvent[] | undefined {
    if (
      resourceVersion < this.#forgotten ||
      resourceVersion > this.#revisions.current
    )
      return undefined
    return this.#history
      .map(({ event }) => event)
      .filter(({ object }) => object.resourceVersion > resourceVersion)
  }

  /** Tells of changes from now on; gives the function that ends it. */
  watch(listener: (event: CacheEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(event: CacheEvent, bytes: number): void {
    this.#history.push({ event, bytes })
    this.#bytes += bytes
    while (this.#bytes > historyBytes || this.#history.length > historyEvents) {
      const oldest = this.#history.shift()
      if (oldest === undefined) break
      this.#bytes -= oldest.bytes
      this.#forgotten = oldest.event.object.resourceVersion
    }
    for (const listener of this.#listeners) listener(event)
  }
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

function versioned(
  { namespace, name, labels, fields, json }: ObjectState | CachedObject,
  resourceVersion: number,
): CachedObject {
  return {
    namespace,
    name,
    labels,
    fields,
    resourceVersion,
    json: () => {
      const object = json()
      return {
        ...object,
        metadata: {
          ...(object['metadata'] as JsonObject),
          resourceVersion: String(resourceVersion),
        },
      }
    },
  }
}
