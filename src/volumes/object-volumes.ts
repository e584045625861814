/*
 * Desired against actual, for many objects: the objects of the store are what is desired, the
 * directories of the tree are what is actual.
 *
 *     NAMESPACE/pods/POD/VOLUME        the managed volumes of each Pod
 *     NAMESPACE/configmaps/NAME        each ConfigMap as a volume, for those without Pods
 *     NAMESPACE/secrets/NAME           each Secret, too
 *
 * Each object has a loop of its own, which makes and removes its directories, and each volume
 * one of its own (published-volume.ts): a slow or broken object holds up no other. Whoever
 * publishes waits for one of a few turns, since thousands of writers at once would need as many
 * open files.
 */
import { mkdir, readdir } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { ObjectKey } from '../api/object-key.ts'
import type { Finding } from '../api/report.ts'
import type {
  ConfigMap,
  KubeObject,
  Pod,
  Secret,
  Volume,
} from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import { keysOfChange } from '../projection/source-kind.ts'
import type { StoreEvent } from '../store/store.ts'
import { Turns } from '../util/turns.ts'
import {
  isTreeKind,
  ObjectDirectories,
  placeKey,
  placePath,
  type TreePlace,
} from './object-directories.ts'
import { podAroundObject } from './pod-volumes.ts'
import {
  BrokenTries,
  PublishedVolume,
  type PublishingOptions,
  type VolumeState,
} from './published-volume.ts'
import type { VolumeControl } from './volume-control.ts'
import type { VolumeHistory } from './volume-history.ts'
import { inBackground } from '../util/in-background.ts'
import { deferred } from '../util/deferred.ts'

/** Volumes that are written at a time; libuv works with four threads. */
const writers = 16
/** What failed (the file system is full, say) is tried again after this. */
const retryMs = 1000

export interface ObjectVolumesOptions extends Omit<
  PublishingOptions,
  'onState' | 'turns'
> {
  /** What a volume has shown before; by its path in the tree. */
  readonly historyOf: (path: string) => VolumeHistory
  /** Where what is removed goes first: beside `directory`, in the same file system. */
  readonly removedDirectory: string
  readonly onVolume: (
    volume: TreeVolume,
    state: VolumeState,
    control: VolumeControl,
  ) => void
  readonly onVolumeGone: (volume: TreeVolume) => void
}

/** One volume of the tree. */
export interface TreeVolume {
  readonly place: TreePlace
  /** The Pod whose volume it is; of a ConfigMap and a Secret one that is made for it. */
  readonly pod: Pod
  /** Of a ConfigMap and a Secret the object's own name. */
  readonly name: string
  /** Relative to the tree. */
  readonly path: string
}

type TreeObject = Pod | ConfigMap | Secret

/**
 * Keeps a tree of volumes equal to a store, from `start` to `close`. In an adopted tree what is
 * right stays as it is; what no object asks for stays until `removeStrangers`.
 */
export class ObjectVolumes {
  readonly #options: ObjectVolumesOptions
  readonly #directories: ObjectDirectories
  readonly #turns = new Turns(writers)
  readonly #objects = new Map<ObjectKey, ObjectInTree>()
  /** The volumes that have data of that object. */
  readonly #references = new Map<ObjectKey, Set<PublishedVolume>>()
  #unsubscribe: () => void = () => {}
  #closed = false

  constructor(options: ObjectVolumesOptions) {
    this.#options = options
    this.#directories = new ObjectDirectories(
      options.directory,
      options.removedDirectory,
    )
  }

  /** Resolves when each object has been looked at: it is published, or waits for something. */
  async start(): Promise<void> {
    const { store, adopted } = this.#options
    if (adopted === true)
      for (const place of await this.#directories.find())
        this.#objectAt(place, true)
    this.#unsubscribe = store.watch(events => this.#onEvents(events))
    for (const kind of ['Pod', 'ConfigMap', 'Secret'] as const)
      for (const object of store.list(kind)) this.#want(object)
    await Promise.all(
      [...this.#objects.values()].map(object => object.looked()),
    )
  }

  /**
   * Resolves when everything is published that could be: a failure of the file system is not
   * enough, as it is for `start`.
   */
  async settled(): Promise<void> {
    await Promise.all(
      [...this.#objects.values()].map(object => object.settled()),
    )
  }

  /** Volumes that are, or are to be, in the tree. */
  get size(): number {
    return [...this.#objects.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** Of an adopted tree: removes what is of no object in the store. */
  removeStrangers(): void {
    for (const object of this.#objects.values()) object.removeUnwanted()
  }

  /** After this nothing is written any more; what is there stays. */
  async close(): Promise<void> {
    this.#closed = true
    this.#unsubscribe()
    await Promise.all([...this.#objects.values()].map(object => object.close()))
  }

  #onEvents(events: readonly StoreEvent[]): void {
    // First what goes: its volumes would miss what goes with it.
    for (const { type, object } of events)
      if (type === 'DELETED' && isTreeObject(object))
        this.#objects.get(placeKey(placeOf(object)))?.want(undefined)
    // Then what has another volume now, which may name what has just come.
    for (const { type, object } of events)
      if (type !== 'DELETED' && isTreeObject(object)) this.#want(object)
    for (const { object } of events)
      for (const key of keysOfChange(object))
        for (const volume of this.#references.get(key) ?? []) volume.look()
  }

  #want(object: TreeObject): void {
    this.#objectAt(placeOf(object), false).want(object)
  }

  #objectAt(place: TreePlace, isThere: boolean): ObjectInTree {
    const key = placeKey(place)
    const known = this.#objects.get(key)
    if (known !== undefined) return known
    const object = new ObjectInTree(place, isThere, {
      ...this.#options,
      directories: this.#directories,
      turns: this.#turns,
      refer: volume => this.#refer(volume),
      onGone: () => {
        if (!this.#closed) this.#objects.delete(key)
      },
    })
    this.#objects.set(key, object)
    return object
  }

  /** The volume looks again when one of its objects changes, until the returned is called. */
  #refer(volume: PublishedVolume): () => void {
    const keys = volume.references
    for (const key of keys) {
      const volumes = this.#references.get(key)
      if (volumes === undefined) this.#references.set(key, new Set([volume]))
      else volumes.add(volume)
    }
    return () => {
      for (const key of keys) {
        const volumes = this.#references.get(key)
        volumes?.delete(volume)
        if (volumes?.size === 0) this.#references.delete(key)
      }
    }
  }
}

interface ObjectInTreeOptions extends ObjectVolumesOptions {
  readonly directories: ObjectDirectories
  readonly turns: Turns
  readonly refer: (volume: PublishedVolume) => () => void
  /** Neither wanted nor there any more. */
  readonly onGone: () => void
}

interface VolumeInTree {
  readonly about: TreeVolume
  volume: Volume
  readonly fsGroup: number | undefined
  readonly published: PublishedVolume
  /** It has its data of other objects now. */
  readonly redefine: (volume: Volume) => void
  /** Ends the publishing; the directory stays. */
  readonly close: () => Promise<void>
}

/** One object and its loop: what is wanted last is what will be there. */
class ObjectInTree {
  readonly #place: TreePlace
  readonly #options: ObjectInTreeOptions
  readonly #volumes = new Map<string, VolumeInTree>()
  #wanted: Pod | undefined
  /** It was gone, whatever came after. */
  #isGone = false
  /** What is above it is claimed. */
  #isClaimed: boolean
  /** Its directory is one that a podfs before this one has made. */
  #isFound: boolean
  #isStale = false
  #working: Promise<void> | undefined
  #isClosed = false
  #retry: { cancel(): void } | undefined
  readonly #brokenTries: BrokenTries
  /** Resolves when it is in line for the first time. */
  readonly #brought = deferred<void>()
  #told = ''

  constructor(
    place: TreePlace,
    isFound: boolean,
    options: ObjectInTreeOptions,
  ) {
    this.#place = place
    this.#options = options
    this.#isClaimed = isFound
    this.#isFound = isFound
    this.#brokenTries = new BrokenTries(options.onBroken)
  }

  get size(): number {
    return this.#volumes.size
  }

  want(object: TreeObject | undefined): void {
    this.#wanted = object && asPod(object)
    if (object === undefined) {
      this.#isGone = true
      // At once: it would miss what goes with it.
      this.#closeVolumes()
    }
    this.#look()
  }

  removeUnwanted(): void {
    if (this.#wanted !== undefined) return
    this.#isGone = true
    this.#look()
  }

  async looked(): Promise<void> {
    await this.#working
    await Promise.all(
      [...this.#volumes.values()].map(({ published }) => published.looked),
    )
  }

  async settled(): Promise<void> {
    await this.#brought.promise
    await Promise.all(
      [...this.#volumes.values()].map(({ published }) => published.settled),
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#brought.resolve()
    this.#retry?.cancel()
    this.#closeVolumes()
    await this.#working
    await Promise.all([...this.#volumes.values()].map(each => each.close()))
  }

  #closeVolumes(): void {
    for (const each of this.#volumes.values()) inBackground(each.close())
  }

  #look(): void {
    this.#isStale = true
    if (this.#working !== undefined || this.#isClosed) return
    this.#working = this.#work()
  }

  async #work(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false
      try {
        if (this.#isGone) await this.#remove()
        if (this.#wanted !== undefined) await this.#bringInLine(this.#wanted)
        this.#told = ''
        this.#brokenTries.succeeded()
        this.#brought.resolve()
      } catch (error) {
        this.#brokenTries.failed(error)
        this.#tell((error as Error).message)
        this.#retry?.cancel()
        this.#retry = this.#options.clock.after(retryMs, () => this.#look())
      }
    }
    // With the last look at #isStale, not after it: a change in between would be lost.
    this.#working = undefined
    if (this.#wanted === undefined && !this.#isClaimed) this.#options.onGone()
  }

  async #bringInLine(pod: Pod): Promise<void> {
    const { directories } = this.#options
    const managed = pod.spec.volumes.filter(isManagedVolume)
    for (const [name, each] of this.#volumes) {
      const volume = managed.find(other => other.name === name)
      if (volume !== undefined && staysInPlace(each, volume, pod))
        each.redefine(volume)
      else await this.#removeVolume(name, each)
    }
    if (!this.#isClaimed) {
      this.#isClaimed = true
      await directories.claim(this.#place)
    }
    if (this.#place.kind === 'Pod') {
      const own = this.#path(placePath(this.#place))
      await mkdir(own, { recursive: true })
      if (this.#isFound)
        for (const name of await readdir(own))
          if (!managed.some(volume => volume.name === name))
            await directories.remove(path.join(placePath(this.#place), name))
    }
    // Meanwhile: what is published now would only miss what has gone with it.
    if (this.#isGone || this.#isClosed) return
    for (const volume of managed)
      if (this.#volumes.has(volume.name))
        // Labels and annotations may have changed.
        this.#volumes.get(volume.name)?.published.look()
      else this.#publish(volume, pod)
    this.#isFound = false
  }

  #publish(volume: Volume, pod: Pod): void {
    const { refer, onVolume } = this.#options
    const { kind } = this.#place
    const own = placePath(this.#place)
    const about: TreeVolume = {
      place: this.#place,
      pod,
      name: volume.name,
      path: kind === 'Pod' ? path.join(own, volume.name) : own,
    }
    const history = this.#options.historyOf(about.path)
    const control: VolumeControl = {
      history,
      rollBack: async generation => await published.rollBack(generation),
      unpin: async () => await published.unpin(),
    }
    const published = new PublishedVolume({
      ...this.#options,
      history,
      directory: this.#path(path.dirname(about.path)),
      adopted: this.#isFound,
      volume,
      pod: () => this.#wanted ?? pod,
      onState: state => onVolume(about, state, control),
      ...(kind === 'Pod' ? {} : { finding: text => this.#finding(text) }),
    })
    let unrefer = refer(published)
    const inTree: VolumeInTree = {
      about,
      volume,
      fsGroup: pod.spec.securityContext.fsGroup,
      published,
      redefine: newer => {
        if (isDeepStrictEqual(newer, inTree.volume)) return
        inTree.volume = newer
        unrefer()
        published.redefine(newer)
        unrefer = refer(published)
      },
      close: () => {
        unrefer()
        return published.close()
      },
    }
    this.#volumes.set(volume.name, inTree)
    published.look()
  }

  async #removeVolume(name: string, each: VolumeInTree): Promise<void> {
    await each.close()
    await this.#options.directories.remove(each.about.path)
    this.#forget(name, each)
  }

  async #remove(): Promise<void> {
    const { directories } = this.#options
    this.#isGone = false
    try {
      for (const each of this.#volumes.values()) await each.close()
      if (!this.#isClaimed) return
      await directories.remove(placePath(this.#place))
    } catch (error) {
      this.#isGone = true
      throw error
    }
    for (const [name, each] of this.#volumes) this.#forget(name, each)
    this.#isFound = false
    this.#isClaimed = false
    await directories.release(this.#place)
  }

  #forget(name: string, { about }: VolumeInTree): void {
    this.#volumes.delete(name)
    this.#options.onVolumeGone(about)
  }

  #path(relative: string): string {
    return path.join(this.#options.directory, relative)
  }

  #tell(message: string): void {
    if (message === this.#told) return
    this.#told = message
    this.#options.report(this.#finding(message))
  }

  #finding(message: string): Finding {
    const source = this.#wanted?.source
    const { path: file = '', line = 1, column = 1 } = source ?? {}
    return {
      treatment: 'rejected',
      position: { path: file, line, column },
      object: this.#place,
      message: `cannot be published: ${message}`,
    }
  }
}

/**
 * What is published stays as it is: another mode, say, is only given to what is made anew. The
 * data alone may be of other objects, as when kustomize gives a changed ConfigMap a new name.
 */
function staysInPlace(each: VolumeInTree, volume: Volume, pod: Pod): boolean {
  return (
    each.fsGroup === pod.spec.securityContext.fsGroup &&
    isDeepStrictEqual(withoutObjects(each.volume), withoutObjects(volume))
  )
}

/** The volume without the names of ConfigMaps and Secrets. */
function withoutObjects({
  configMap,
  secret,
  projected,
  ...rest
}: Volume): object {
  const unnamed = (source: object): object => ({ ...source, name: '' })
  return {
    ...rest,
    configMap: configMap && unnamed(configMap),
    secret: secret && { ...secret, secretName: '' },
    projected: projected && {
      ...projected,
      sources: projected.sources.map(source => ({
        ...source,
        configMap: source.configMap && unnamed(source.configMap),
        secret: source.secret && unnamed(source.secret),
      })),
    },
  }
}

function isTreeObject(object: KubeObject): object is TreeObject {
  return isTreeKind(object.kind)
}

function placeOf({ kind, metadata }: TreeObject): TreePlace {
  return { kind, namespace: metadata.namespace, name: metadata.name }
}

/** A ConfigMap and a Secret as the only volume of a Pod. */
function asPod(object: TreeObject): Pod {
  if (object.kind === 'Pod') return object
  const { name, namespace } = object.metadata
  const { kind, source } = object
  return podAroundObject({
    name,
    namespace,
    source,
    volume: name,
    object: { kind, name },
  })
}
