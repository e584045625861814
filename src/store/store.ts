import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import { rejectionOf, type Finding } from '../api/report.ts'
import { kinds } from '../api/schema/kinds.ts'
import { isServiceKind } from '../api/schema/service-kinds.ts'
import { serviceAccountUid } from '../api/service-account-uid.ts'
import type {
  KubeObject,
  ObjectKind,
  ObjectMeta,
  Pod,
  ServiceAccount,
} from '../api/types.ts'
import { systemClock, type Clock } from '../util/clock.ts'
import { immutableChange } from './immutable.ts'
import { sameContent } from './same-content.ts'

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** The new state; of DELETED the last one. */
  readonly object: KubeObject
  /** Only with MODIFIED. */
  readonly old?: KubeObject
}

/** All that one `apply` changed; the store is already in the state after all of it. */
export type StoreListener = (events: readonly StoreEvent[]) => void

/** An object that an origin has, and that the store does not serve from there. */
export interface Conflict {
  readonly code: 'STORE_DUPLICATE_OBJECT' | 'STORE_IMMUTABLE_OBJECT'
  readonly key: ObjectKey
  readonly origin: string
  /** For the person: names file, line and column. */
  readonly finding: Finding
}

/** Another origin waits with an object of a key that is taken. */
interface Claim {
  readonly origin: string
  readonly object: KubeObject
}

export interface StoreOptions {
  readonly clock?: Clock
  /** A listener threw; the others were told nevertheless. */
  readonly onListenerError?: (error: unknown) => void
  /** What becomes of a Pod when it is stored, as an API server's admission has it. */
  readonly admit?: (pod: Pod, serviceAccount: ServiceAccount | undefined) => Pod
  /** How many Pods there are of the workload's Pod that an origin has; else it is itself. */
  readonly expand?: (first: Pod) => readonly Pod[]
  /** Of an object that another store has had: it appears here as the same one. */
  readonly identity?: (
    key: ObjectKey,
  ) => Pick<ObjectMeta, 'uid' | 'creationTimestamp'> | undefined
}

/**
 * The latest object of each key, from any number of origins (files, directories, a cluster).
 *
 * Promises:
 * - An object changes only when its content does: resourceVersion, uid and
 *   creationTimestamp stay as they are otherwise, and no event is sent.
 * - `uid` and `creationTimestamp` are those of the object's first appearance, unless the
 *   manifest gives them; a ServiceAccount's uid is always the one that its tokens carry. A Pod
 *   that is run again is another one (`beginRun`).
 * - Of two origins with the same key the first wins; when it lets go, the next takes over
 *   without a DELETED in between.
 * - A Pod is admitted with the ServiceAccount that is there when the Pod comes or changes.
 * - An immutable Secret or ConfigMap keeps its data until it is deleted (C52, C63).
 * - Events come in one batch for each `apply`, after all of it is done.
 */
export class Store {
  readonly #clock: Clock
  readonly #onListenerError: (error: unknown) => void
  readonly #admitPod: NonNullable<StoreOptions['admit']>
  readonly #identity: NonNullable<StoreOptions['identity']>
  readonly #expand: StoreOptions['expand']
  /** By origin: what it has, where there are Pods to expand in it. */
  readonly #unexpanded = new Map<string, readonly KubeObject[]>()
  readonly #objects = new Map<ObjectKey, KubeObject>()
  /** In the order in which the origins claimed the key; the first is served. */
  readonly #claims = new Map<ObjectKey, readonly Claim[]>()
  readonly #origins = new Map<string, ReadonlySet<ObjectKey>>()
  readonly #conflicts = new Map<string, Conflict>()
  readonly #listeners = new Set<StoreListener>()
  /** By origin: its objects that are not what it says now, and why. */
  readonly #kept = new Map<string, ReadonlyMap<ObjectKey, Finding>>()
  readonly #keptListeners = new Set<() => void>()
  /** The uid of each Pod's newest run. */
  readonly #ranAs = new Map<ObjectKey, string>()
  #resourceVersion = 0

  constructor(options: StoreOptions = {}) {
    this.#clock = options.clock ?? systemClock
    this.#onListenerError = options.onListenerError ?? (() => undefined)
    this.#admitPod = options.admit ?? (pod => pod)
    this.#identity = options.identity ?? (() => undefined)
    this.#expand = options.expand
  }

  /** Sets all objects of one origin; what it had before and has no more is let go. */
  replace(origin: string, objects: readonly KubeObject[]): readonly Conflict[] {
    return this.apply(new Map([[origin, objects]]))
  }

  /**
   * `replace` for several origins at once, in one batch of events: so an object that moved
   * from one file to another is neither deleted nor in conflict.
   *
   * Gives the conflicts of these origins.
   */
  apply(
    changes: ReadonlyMap<string, readonly KubeObject[]>,
  ): readonly Conflict[] {
    return this.#applyExpanded(
      new Map(
        [...changes].map(([origin, objects]) => [
          origin,
          this.#expanded(origin, objects),
        ]),
      ),
    )
  }

  /** `expand` has another answer now. Gives the conflicts of the origins that it concerns. */
  expandAgain(): readonly Conflict[] {
    return this.apply(new Map(this.#unexpanded))
  }

  #expanded(
    origin: string,
    objects: readonly KubeObject[],
  ): readonly KubeObject[] {
    const expand = this.#expand
    if (expand === undefined) return objects
    if (!objects.some(isOneOfMany)) {
      this.#unexpanded.delete(origin)
      return objects
    }
    this.#unexpanded.set(origin, objects)
    return objects.flatMap((object): readonly KubeObject[] =>
      isOneOfMany(object) ? expand(object) : [object],
    )
  }

  #applyExpanded(
    changes: ReadonlyMap<string, readonly KubeObject[]>,
  ): readonly Conflict[] {
    const touched = new Set<ObjectKey>()
    const twice: Conflict[] = []
    const wasRefused = this.conflicts().some(isRefusal)
    // Releases first, so that what moved between origins is free to be claimed.
    for (const [origin, objects] of changes) {
      const kept = new Set(objects.map(keyOf))
      // Stryker disable next-line ArrayDeclaration: of a key that nobody has nothing comes
      for (const key of this.#origins.get(origin) ?? []) {
        touched.add(key)
        if (!kept.has(key)) this.#release(origin, key)
      }
    }
    for (const [origin, objects] of changes) {
      const keys = new Set<ObjectKey>()
      for (const object of objects) {
        const key = keyOf(object)
        touched.add(key)
        if (keys.has(key)) {
          if (isShownOnly(object)) continue
          twice.push(this.#duplicate(key, { origin, object }, objects))
        } else {
          keys.add(key)
          this.#claim(key, { origin, object })
        }
      }
      // Stryker disable next-line ConditionalExpression: no keys are as no entry
      if (keys.size === 0) this.#origins.delete(origin)
      else this.#origins.set(origin, keys)
    }
    const events = [...touched].flatMap(key => this.#settle(key) ?? [])
    for (const origin of changes.keys()) {
      this.#forget(conflict => conflict.origin === origin && isTwice(conflict))
    }
    for (const conflict of twice) this.#note(conflict, true)
    this.#tell(events)
    if (wasRefused || this.conflicts().some(isRefusal)) this.#tellKept()
    return this.conflicts().filter(conflict => changes.has(conflict.origin))
  }

  get(
    kind: 'Secret',
    namespace: string,
    name: string,
  ): Extract<KubeObject, { kind: 'Secret' }> | undefined
  get(
    kind: 'ConfigMap',
    namespace: string,
    name: string,
  ): Extract<KubeObject, { kind: 'ConfigMap' }> | undefined
  get(
    kind: 'Pod',
    namespace: string,
    name: string,
  ): Extract<KubeObject, { kind: 'Pod' }> | undefined
  get(key: ObjectKey): KubeObject | undefined
  get(
    kindOrKey: ObjectKind | ObjectKey,
    namespace?: string,
    name?: string,
  ): KubeObject | undefined {
    const key =
      namespace === undefined || name === undefined
        ? (kindOrKey as ObjectKey)
        : objectKey(kindOrKey as ObjectKind, namespace, name)
    return this.#objects.get(key)
  }

  /** Sorted by namespace and name, as the API server lists them. */
  list<K extends ObjectKind>(
    kind: K,
    namespace?: string,
  ): readonly Extract<KubeObject, { kind: K }>[] {
    return [...this.#objects.values()]
      .filter(
        (object): object is Extract<KubeObject, { kind: K }> =>
          object.kind === kind &&
          (namespace === undefined || object.metadata.namespace === namespace),
      )
      .sort((a, b) => compare(keyOf(a), keyOf(b)))
  }

  /** All that is in conflict now, also what was reported before. */
  conflicts(): readonly Conflict[] {
    return [...this.#conflicts.values()]
  }

  /** Objects of an origin that stay as they were, because of a mistake; all that there are. */
  keep(origin: string, kept: ReadonlyMap<ObjectKey, Finding>): void {
    if (kept.size === 0 && !this.#kept.has(origin)) return
    if (kept.size === 0) this.#kept.delete(origin)
    else this.#kept.set(origin, kept)
    this.#tellKept()
  }

  /** The mistake for which the object is not what its origin says now. */
  whyKept(key: ObjectKey): Finding | undefined {
    // Stryker disable next-line OptionalChaining: no list of claims is empty
    const origin = this.#claims.get(key)?.[0]?.origin
    if (origin === undefined) return undefined
    // Of the origin that is served: it is used as it was.
    const refusal = this.#conflicts.get(conflictId({ key, origin }))
    return this.#kept.get(origin)?.get(key) ?? refusal?.finding
  }

  /** Tells when `whyKept` may answer otherwise; gives the function that ends it. */
  watchKept(listener: () => void): () => void {
    this.#keptListeners.add(listener)
    return () => this.#keptListeners.delete(listener)
  }

  /** The version of the newest change. */
  get resourceVersion(): string {
    return String(this.#resourceVersion)
  }

  /** Tells of changes from now on; gives the function that ends it. */
  watch(listener: StoreListener): () => void {
    // A wrapper, so that the same function may watch twice.
    const entry: StoreListener = events => listener(events)
    this.#listeners.add(entry)
    return () => this.#listeners.delete(entry)
  }

  /**
   * A run of this version of a Pod begins: gives the Pod that runs. The first run is the object
   * that appeared; a further one is a new Pod of the same name, as a controller makes it, whose
   * uid and creationTimestamp are new where the manifest does not give them, and whose
   * generation is 1.
   */
  beginRun(version: Pod): Pod {
    const key = keyOf(version)
    const { uid } = version.metadata
    const isFirst = this.#ranAs.get(key) !== uid
    const old = this.#objects.get(key)
    // Stryker disable next-line OptionalChaining: no list of claims is empty
    const given = this.#claims.get(key)?.[0]?.object.metadata
    this.#ranAs.set(key, uid)
    if (isFirst || old === undefined || given === undefined) return version
    const identity = {
      uid: given.uid === '' ? randomUUID() : given.uid,
      creationTimestamp: given.creationTimestamp ?? this.#now(),
      generation: 1,
    }
    this.#ranAs.set(key, identity.uid)
    const object = this.#versioned(withMetadata(old, identity))
    this.#objects.set(key, object)
    this.#tell([{ type: 'MODIFIED', object, old }])
    return { ...version, metadata: { ...version.metadata, ...identity } }
  }

  #release(origin: string, key: ObjectKey): void {
    // Stryker disable next-line ArrayDeclaration: what an origin has it claims
    const claims = (this.#claims.get(key) ?? []).filter(
      claim => claim.origin !== origin,
    )
    // Stryker disable next-line ConditionalExpression: no claims are as no entry
    if (claims.length === 0) this.#claims.delete(key)
    else this.#claims.set(key, claims)
  }

  #claim(key: ObjectKey, claim: Claim): void {
    const claims = this.#claims.get(key) ?? []
    const at = claims.findIndex(each => each.origin === claim.origin)
    this.#claims.set(
      key,
      at === -1 ? [...claims, claim] : claims.with(at, claim),
    )
  }

  /** Brings the served object of a key, and its conflicts, in line with its claims. */
  #settle(key: ObjectKey): StoreEvent | undefined {
    this.#forget(conflict => conflict.key === key && !isTwice(conflict))
    const [first, ...others] = this.#claims.get(key) ?? []
    const old = this.#objects.get(key)
    if (first === undefined) {
      // Stryker disable next-line ConditionalExpression: what was claimed is served
      if (old === undefined) return undefined
      this.#objects.delete(key)
      this.#ranAs.delete(key)
      return { type: 'DELETED', object: this.#versioned(old) }
    }
    for (const other of others) {
      if (isShownOnly(other.object)) continue
      this.#note(this.#duplicate(key, other, [first.object]))
    }
    if (old === undefined) {
      const object = this.#versioned(this.#born(this.#admit(first.object)))
      this.#objects.set(key, object)
      return { type: 'ADDED', object }
    }
    const object = this.#inherit(this.#admit(first.object), old)
    const refusal = immutableChange(old, object)
    if (refusal !== undefined) {
      this.#note({
        code: 'STORE_IMMUTABLE_OBJECT',
        key,
        origin: first.origin,
        finding: rejectionOf(object, refusal.fieldPath, refusal.message),
      })
      return undefined
    }
    if (sameContent(old, object)) {
      // Only the place in the file may have changed: later findings name the new one.
      this.#objects.set(key, withVersion(object, old.metadata.resourceVersion))
      return undefined
    }
    const modified = this.#versioned(withNextGeneration(object, old))
    this.#objects.set(key, modified)
    return { type: 'MODIFIED', object: modified, old }
  }

  /** Its ServiceAccount may be in the same batch, and not settled yet. */
  #admit(object: KubeObject): KubeObject {
    if (object.kind !== 'Pod') return object
    const { namespace } = object.metadata
    const { serviceAccountName } = object.spec
    const key = objectKey('ServiceAccount', namespace, serviceAccountName)
    // Stryker disable next-line OptionalChaining: no list of claims is empty
    const account = this.#claims.get(key)?.[0]?.object
    return this.#admitPod(
      object,
      // Stryker disable next-line ConditionalExpression: by its key it is one
      account?.kind === 'ServiceAccount' ? account : undefined,
    )
  }

  #versioned(object: KubeObject): KubeObject {
    this.#resourceVersion += 1
    return withVersion(object, String(this.#resourceVersion))
  }

  #born(object: KubeObject): KubeObject {
    const { namespace, name, uid, creationTimestamp } = object.metadata
    const known = this.#identity(keyOf(object))
    return withMetadata(object, {
      uid:
        object.kind === 'ServiceAccount'
          ? serviceAccountUid(namespace, name)
          : uid === ''
            ? (known?.uid ?? randomUUID())
            : uid,
      creationTimestamp:
        creationTimestamp ?? known?.creationTimestamp ?? this.#now(),
      ...(object.kind === 'Pod' && { generation: 1 }),
    })
  }

  #now(): string {
    // Stryker disable next-line Regex: the fraction is at its end
    return new Date(this.#clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  }

  #inherit(object: KubeObject, old: KubeObject): KubeObject {
    const { uid, creationTimestamp } = object.metadata
    const inherited = creationTimestamp ?? old.metadata.creationTimestamp
    const { generation } = old.metadata
    const keepsUid = uid === '' || object.kind === 'ServiceAccount'
    return withMetadata(object, {
      uid: keepsUid ? old.metadata.uid : uid,
      // Stryker disable next-line ConditionalExpression: what is stored has one
      ...(inherited !== undefined && { creationTimestamp: inherited }),
      ...(generation !== undefined && { generation }),
    })
  }

  #duplicate(
    key: ObjectKey,
    claim: Claim,
    holders: readonly KubeObject[],
  ): Conflict {
    const holder = holders.find(object => keyOf(object) === key)
    // Stryker disable next-line OptionalChaining: the holder is among them
    const { path, line, column } = holder?.source ?? claim.object.source
    return {
      code: 'STORE_DUPLICATE_OBJECT',
      key,
      origin: claim.origin,
      finding: rejectionOf(
        claim.object,
        undefined,
        `already defined in ${path}:${line}:${column}; that one is used`,
      ),
    }
  }

  #note(conflict: Conflict, twice = false): void {
    const id = `${conflictId(conflict)}${twice ? ' twice' : ''}`
    if (twice) twiceInOneOrigin.add(conflict)
    this.#conflicts.set(id, conflict)
  }

  #forget(which: (conflict: Conflict) => boolean): void {
    for (const [id, conflict] of this.#conflicts) {
      if (which(conflict)) this.#conflicts.delete(id)
    }
  }

  #tellKept(): void {
    for (const listener of this.#keptListeners) listener()
  }

  #tell(events: readonly StoreEvent[]): void {
    if (events.length === 0) return
    for (const listener of this.#listeners) {
      try {
        listener(events)
      } catch (error) {
        this.#onListenerError(error)
      }
    }
  }
}

function isOneOfMany(object: KubeObject): object is Pod {
  return object.kind === 'Pod' && object.workload?.replica !== undefined
}

/** Conflicts inside one origin, which only a new read of that origin can end. */
const twiceInOneOrigin = new WeakSet<Conflict>()

function conflictId({ key, origin }: Pick<Conflict, 'key' | 'origin'>): string {
  return `${key} ${origin}`
}

/** Of a workload the conflict of its Pod is told. */
function isShownOnly({ kind }: KubeObject): boolean {
  return !(kind in kinds) && !isServiceKind(kind)
}

/** The object stays what it was. */
function isRefusal({ code }: Conflict): boolean {
  return code === 'STORE_IMMUTABLE_OBJECT'
}

function isTwice(conflict: Conflict): boolean {
  return twiceInOneOrigin.has(conflict)
}

function withVersion(
  object: KubeObject,
  resourceVersion: string | undefined,
): KubeObject {
  return withMetadata(
    object,
    resourceVersion === undefined ? {} : { resourceVersion },
  )
}

function withMetadata(
  object: KubeObject,
  metadata: Partial<KubeObject['metadata']>,
): KubeObject {
  return { ...object, metadata: { ...object.metadata, ...metadata } }
}

/** Only another spec is another generation (pkg/registry/core/pod/strategy.go). */
function withNextGeneration(object: KubeObject, old: KubeObject): KubeObject {
  const { generation } = old.metadata
  const isCounted =
    generation !== undefined &&
    'spec' in object &&
    'spec' in old &&
    !isDeepStrictEqual(old.spec, object.spec)
  return isCounted
    ? withMetadata(object, { generation: generation + 1 })
    : object
}

/** By code unit, not by locale: the order must not hang on the machine. */
function compare(a: string, b: string): number {
  // Stryker disable next-line ConditionalExpression,EqualityOperator: no two keys are equal
  return a < b ? -1 : a > b ? 1 : 0
}
