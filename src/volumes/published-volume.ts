import { mkdir, readlink } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { rootCertificateName, rootConfigMap } from '../api/automount.ts'
import { mountFailure } from '../api/mount-failure.ts'
import { objectKey, type ObjectKey } from '../api/object-key.ts'
import { rejectionOf, type Finding } from '../api/report.ts'
import type { ConfigMap, NodeInfo, Pod, Secret, Volume } from '../api/types.ts'
import {
  collectPayload,
  hiddenFileMessage,
  objectsReferenced,
  tokensRequested,
  type HiddenFile,
  type ProjectionError,
} from '../projection/projection.ts'
import { referenceKey } from '../projection/source-kind.ts'
import type { Store } from '../store/store.ts'
import type { TokenManager } from '../tokens/token-manager.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { FillDirectory } from '../util/new-entry.ts'
import type { Turns } from '../util/turns.ts'
import { AtomicWriter, prepareVolumeRoot } from '../writer/atomic-writer.ts'
import { hasOtherModes } from '../writer/other-modes.ts'
import { cleanPayload, type CleanPayload } from '../writer/payload-path.ts'
import { removeVolume } from '../writer/remove-volume.ts'
import { isContradiction } from '../writer/volume-tree.ts'
import { VolumeError } from './errors.ts'
import { nestedMountpoints } from './nested-mountpoints.ts'
import type { VolumeHistory } from './volume-history.ts'
import { hasCode } from '../util/error-code.ts'
import { deferred } from '../util/deferred.ts'

/** What all volumes of a Pod have in common. */
export interface PublishingOptions {
  /** Each volume becomes a directory below this one. */
  readonly directory: string
  /** The mode of a volume's root; absent: as a kubelet gives it. */
  readonly rootMode?: number | undefined
  /** Of the mount that the directory is in. */
  readonly fill?: FillDirectory | undefined
  readonly store: Store
  readonly node: NodeInfo
  /** Called when the first volume asks for a token: a signing key is slow to make. */
  readonly tokens: () => Promise<TokenManager>
  /** The ca.crt of namespaces that bring no ConfigMap kube-root-ca.crt of their own. */
  readonly rootCertificate: () => Promise<string>
  readonly clock: Clock
  readonly logger: Logger
  /** A reason why a volume cannot be brought up to date; told once until it changes. */
  readonly report: (finding: Finding) => void
  /** A volume was published, or cannot be, or can be again. */
  readonly onState?: (state: VolumeState) => void
  /** The directory may hold what a writer that was killed has left. */
  readonly adopted?: boolean
  /** A failure that neither a try nor a repair could mend, some times in a row. */
  readonly onBroken?: (reason: string) => void
  /** Of many volumes only so many write at a time; absent: this one need not wait. */
  readonly turns?: Turns
}

/** How one volume stands. */
export interface VolumeState {
  readonly volume: Volume
  /** How often its content was published here; 0 before the first time. */
  readonly generation: number
  /** Files in the published generation. */
  readonly keys: number
  /** The generation that is shown again, until the sources change. */
  readonly pinned?: number
  /** The published generation was made by `rollBack`, and shows this one. */
  readonly rollbackTo?: number
  /** Of the last change of content; milliseconds since 1970. */
  readonly publishedAt?: number
  /** How long that one took to write. */
  readonly publishMs?: number
  /** Why it is not up to date. */
  readonly error?: string
}

export interface PublishedVolumeOptions extends PublishingOptions {
  readonly volume: Volume
  /** The Pod as it is now. */
  readonly pod: () => Pod
  /** What it has shown before, on a mount that was lost. */
  readonly history: VolumeHistory
  /** What is told of a failure; absent: that it is the Pod's volume's. */
  readonly finding?: (message: string) => Finding
}

/** A failed write is tried again after this; the file system may be full only for a while. */
const retryMs = 1000
/** In a row, and the file system is not what it is to be. */
const brokenTries = 5

/** Counts failures in a row that say that of a file system. */
export class BrokenTries {
  readonly #onBroken: ((reason: string) => void) | undefined
  #tries = 0

  constructor(onBroken: ((reason: string) => void) | undefined) {
    this.#onBroken = onBroken
  }

  failed(error: unknown): void {
    if (!isContradiction(error) && !hasCode(error, 'EIO', 'EROFS')) return
    this.#tries += 1
    if (this.#tries === brokenTries) this.#onBroken?.((error as Error).message)
  }

  succeeded(): void {
    this.#tries = 0
  }
}

/**
 * One volume and its loop: look, collect, write, and look again when something changed
 * meanwhile. At most one write is under way, as the writer demands, and any number of changes
 * that come during it are one more look: the last state wins.
 */
export class PublishedVolume {
  #volume: Volume
  readonly published: Promise<void>
  /** Resolves when it has been published, or it is known (and told) why it cannot be. */
  readonly looked: Promise<void>
  /** The same, but that a file system has failed is no reason: that is tried again. */
  readonly settled: Promise<void>
  isPublished = false
  readonly #options: PublishedVolumeOptions
  readonly #writer: AtomicWriter
  readonly #root: string
  readonly #history: VolumeHistory
  readonly #published = deferred<void>()
  readonly #looked = deferred<void>()
  readonly #settled = deferred<void>()
  #stale = false
  #working: Promise<void> | undefined
  #closed = false
  #prepared = false
  #told: string | undefined
  #warned: ReadonlySet<string> = new Set()
  #timer: { cancel(): void } | undefined
  readonly #brokenTries: BrokenTries
  /** As it was told last. */
  #state: VolumeState | undefined

  constructor(options: PublishedVolumeOptions) {
    this.#options = options
    this.#history = options.history
    this.#brokenTries = new BrokenTries(options.onBroken)
    this.#volume = options.volume
    this.#root = path.join(options.directory, options.volume.name)
    this.#writer = new AtomicWriter(this.#root, { fill: options.fill })
    this.published = this.#published.promise
    this.looked = this.#looked.promise
    this.settled = this.#settled.promise
  }

  /** The objects whose change concerns this volume. */
  get references(): readonly ObjectKey[] {
    const { namespace } = this.#options.pod().metadata
    return objectsReferenced(this.#volume).map(reference =>
      referenceKey(reference, namespace),
    )
  }

  /** The volume of that name is another one now: it becomes the next generation. */
  redefine(volume: Volume): void {
    this.#volume = volume
    this.look()
  }

  /** Something may have changed. Never throws; what goes wrong is reported. */
  look(): void {
    this.#stale = true
    if (this.#working !== undefined || this.#closed) return
    this.#working = this.#work()
  }

  /**
   * Publishes an older generation again, and keeps it until the sources change or `unpin`.
   * False when the volume shows just that. Throws a VolumeError.
   */
  async rollBack(generation: number): Promise<boolean> {
    const isOther = this.#history.rollBack(generation)
    if (isOther) await this.#settle()
    return isOther
  }

  /** Publishes what the sources say. False when it was not pinned. Throws a VolumeError. */
  async unpin(): Promise<boolean> {
    const wasPinned = this.#history.unpin()
    if (wasPinned) await this.#settle()
    return wasPinned
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#working
    this.#looked.resolve()
    this.#settled.resolve()
  }

  async #settle(): Promise<void> {
    this.look()
    await this.#working
    if (!this.#history.isSettled)
      throw new VolumeError(
        'VOLUME_NOT_PUBLISHED',
        this.#state?.error ?? 'the mount is being made anew',
      )
  }

  async #work(): Promise<void> {
    while (this.#stale && !this.#closed) {
      this.#stale = false
      try {
        await this.#publish()
        this.#brokenTries.succeeded()
        this.#settled.resolve()
      } catch (error) {
        this.#brokenTries.failed(error)
        // The way to the mount is podfs's own; the names in the volume tell something.
        const { message } = error as Error
        this.#tell([
          {
            fieldPath: this.#fieldPath(),
            message: message.replaceAll(`${this.#root}/`, ''),
          },
        ])
        this.#lookAfter(retryMs)
      }
      this.#looked.resolve()
    }
    // With the last look at #stale, not after it: a change in between would be lost.
    this.#working = undefined
  }

  async #publish(): Promise<void> {
    const { node, store, clock } = this.#options
    const volume = this.#volume
    const pod = this.#options.pod()
    const { namespace } = pod.metadata
    const sources = tokensRequested(volume)
    const tokens =
      sources.length === 0
        ? undefined
        : await (await this.#options.tokens()).tokensFor({ pod, node, sources })
    const lookUp = (kind: 'Secret' | 'ConfigMap', name: string) =>
      store.get(objectKey(kind, namespace, name))
    const root =
      this.references.includes(
        objectKey('ConfigMap', namespace, rootCertificateName),
      ) && lookUp('ConfigMap', rootCertificateName) === undefined
        ? rootConfigMap(pod, await this.#options.rootCertificate())
        : undefined
    const result = collectPayload({
      volume,
      pod,
      node,
      secret: name => lookUp('Secret', name) as Secret | undefined,
      configMap: name =>
        (lookUp('ConfigMap', name) as ConfigMap | undefined) ??
        (name === rootCertificateName ? root : undefined),
      trustBundles: () => store.list('ClusterTrustBundle'),
      token: source =>
        tokens?.of(source) ?? new Error('no token was asked for'),
    })
    if (tokens?.nextRefresh !== undefined)
      this.#lookAfter(Math.max(tokens.nextRefresh - clock.now(), 0))
    if (result.ok) {
      this.#history.offer(cleanPayload(result.payload))
      this.#warn(result.hidden)
    }
    const errors = result.ok ? [] : result.errors
    const payload = this.#history.wanted
    // Else what they said last stays, on a mount that was made anew, too, or what is pinned.
    if (payload === undefined) return this.#tell(errors)
    const write = () => this.#write(pod, payload, errors)
    await (this.#options.turns?.run(write) ?? write())
  }

  async #write(
    pod: Pod,
    payload: CleanPayload,
    errors: readonly ProjectionError[],
  ): Promise<void> {
    if (this.#closed) return
    const { logger, clock, turns } = this.#options
    const volume = this.#volume
    const { fsGroup } = pod.spec.securityContext
    const options = fsGroup === undefined ? {} : { fsGroup }
    if (!this.#prepared) {
      await mkdir(this.#root, { recursive: true, mode: 0o700 })
      if (this.#options.adopted === true) {
        await this.#writer.recover()
        if (await hasOtherModes(this.#root, payload, options))
          await removeVolume(this.#root)
      }
      // A volume that was published has its mode already: to set it again would cause an event.
      if (!(await this.#isPublished()))
        await prepareVolumeRoot(
          this.#root,
          options,
          this.#options.rootMode ?? rootModeOf(volume),
        )
      for (const nested of nestedMountpoints(volume.name, pod))
        await mkdir(path.join(this.#root, nested), { recursive: true })
      this.#prepared = true
    }
    const startedAt = performance.now()
    let shownAt: number | undefined
    const changed = await this.#writer.write(payload, {
      ...options,
      // Other volumes are shown first: to remove takes longer than to make.
      beforeRemoval: async () => {
        shownAt = performance.now()
        await turns?.pass()
      },
    })
    shownAt ??= performance.now()
    const ms = Math.round((shownAt - startedAt) * 10) / 10
    const files = payload.size
    if (changed) {
      const { namespace, name } = pod.metadata
      const owner = this.#options.finding === undefined ? { pod: name } : {}
      logger.info(
        { namespace, ...owner, volume: volume.name, files, ms },
        'published',
      )
    }
    this.#history.published(payload, changed ? clock.now() : undefined)
    this.#tell(errors, ms)
    this.isPublished = true
    this.#published.resolve()
  }

  #stateNow(error: string | undefined): VolumeState {
    const { current, pinned } = this.#history
    return {
      volume: this.#volume,
      generation: current?.generation ?? 0,
      keys: current?.payload.size ?? 0,
      ...(pinned === undefined ? {} : { pinned }),
      ...(current?.rollbackTo === undefined
        ? {}
        : { rollbackTo: current.rollbackTo }),
      ...(current?.publishedAt === undefined
        ? {}
        : { publishedAt: current.publishedAt }),
      ...(error === undefined ? {} : { error }),
    }
  }

  #setState(state: VolumeState, ms: number | undefined): void {
    const { publishMs, ...before } = this.#state ?? {}
    if (isDeepStrictEqual(state, before)) return
    const isNew = state.generation !== this.#state?.generation
    const took = isNew ? ms : publishMs
    this.#state = {
      ...state,
      ...(took === undefined ? {} : { publishMs: took }),
    }
    this.#options.onState?.(this.#state)
  }

  async #isPublished(): Promise<boolean> {
    if (this.#options.adopted !== true) return false
    return await readlink(path.join(this.#root, '..data')).then(
      () => true,
      () => false,
    )
  }

  #lookAfter(ms: number): void {
    this.#timer?.cancel()
    if (this.#closed) return
    this.#timer = this.#options.clock.after(ms, () => this.look())
  }

  #fieldPath(): string {
    const volume = this.#volume
    const index = this.#options
      .pod()
      .spec.volumes.findIndex(({ name }) => name === volume.name)
    return `spec.volumes[${index}]`
  }

  /** A file that takes another's place is told once, until it does no longer. */
  #warn(hidden: readonly HiddenFile[]): void {
    const now = new Map(
      hidden.map(file => [hiddenFileMessage(file, this.#volume), file]),
    )
    for (const [message, { fieldPath }] of now)
      if (!this.#warned.has(message))
        this.#options.report({
          ...rejectionOf(this.#options.pod(), fieldPath, message),
          treatment: 'warning',
        })
    this.#warned = new Set(now.keys())
  }

  /**
   * How it stands now. The kubelet repeats a FailedMount event for ever; a person wants to read
   * it once. `ms`: how long a new generation took to write.
   */
  #tell(
    errors: readonly Pick<ProjectionError, 'fieldPath' | 'message'>[],
    ms?: number,
  ): void {
    const messages = errors.map(({ message }) => message)
    // As the kubelet joins them (docs/kubernetes.md#volumes-that-fail).
    const error = messages.length > 1 ? `[${messages.join(', ')}]` : messages[0]
    this.#setState(this.#stateNow(error), ms)
    if (error === this.#told) return
    this.#told = error
    for (const { fieldPath, message } of errors)
      this.#options.report(
        this.#options.finding?.(message) ??
          rejectionOf(
            this.#options.pod(),
            fieldPath,
            mountFailure(this.#volume.name, message),
          ),
      )
  }
}

/** A kubelet keeps a ConfigMap on its disk and the others on a tmpfs, whose roots are sticky. */
function rootModeOf({ configMap }: Volume): number {
  return configMap === undefined ? 0o1777 : 0o777
}
