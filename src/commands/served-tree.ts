import { type FileHandle, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { deviceOf, mountAt } from '../linux/mountinfo.ts'
import { openOrMake } from '../linux/open-or-make.ts'
import { Failure } from '../util/failure.ts'
import {
  ObjectVolumes,
  type ObjectVolumesOptions,
} from '../volumes/object-volumes.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import { VolumeHistory } from '../volumes/volume-history.ts'
import { setAccess, type Access } from '../session/access.ts'
import {
  type CurrentMount,
  isGone,
  type RenewedMount,
} from '../session/renewed-mount.ts'

/** What everybody sees of the mount of `podfs serve`; beside it is what they do not. */
export const treeDirectory = 'volumes'
/** What cannot be published by then is missing in a tree that was made anew. */
const settledMs = 30_000
/** What is removed, on its way. */
const removedDirectory = 'removed'

export interface ServedTreeOptions extends Omit<
  ObjectVolumesOptions,
  'directory' | 'removedDirectory' | 'rootMode' | 'historyOf'
> {
  /** Absolute. */
  readonly root: string
  readonly access: Access
}

/**
 * The tree of all volumes at one public path, and its mount, which may be lost: then the tree
 * is published once more on the one that takes its place.
 */
export class ServedTree {
  readonly #options: ServedTreeOptions
  readonly #mount: RenewedMount
  readonly #closed = new AbortController()
  #access: Access
  /** They outlive the mount; by their path in the tree. */
  readonly #histories = new Map<string, VolumeHistory>()
  readonly #budget = new HistoryBudget()
  #volumes: ObjectVolumes | undefined
  #starting: Promise<void> | undefined
  /** The tree's, on the present mount. */
  #directory: FileHandle | undefined
  #unfollow: () => void = () => {}

  constructor(mount: RenewedMount, options: ServedTreeOptions) {
    this.#mount = mount
    this.#options = options
    this.#access = options.access
  }

  /** How many volumes there are. */
  get size(): number {
    return this.#volumes?.size ?? 0
  }

  /** Shows the tree; resolves when everything in it that can be published is. */
  async start(): Promise<void> {
    const adopted = this.#options.adopted === true
    this.#unfollow = this.#mount.follow((next, lost) => this.#move(next, lost))
    await this.#mount.orNext(async () => {
      this.#starting = this.#start(adopted)
      await this.#starting
    })
  }

  /** Who may enter from now on. */
  async setAccess(access: Access): Promise<void> {
    this.#access = access
    const { directory } = this.#mount.current.backend
    await setAccess(path.join(directory, treeDirectory), access)
  }

  removeStrangers(): void {
    this.#volumes?.removeStrangers()
  }

  /** After this nothing is written any more; what is there stays. */
  async close(): Promise<void> {
    this.#unfollow()
    this.#closed.abort(new Error('the tree is closed'))
    await this.#volumes?.close()
    await this.#directory?.close()
  }

  async #start(adopted: boolean): Promise<void> {
    const { current } = this.#mount
    const { signal } = this.#closed
    await this.#publish(current, adopted, signal)
    // A podfs before this one has begun it, and another one, which is lost, is still shown.
    if (adopted && !(await this.#isShown(current)))
      await Promise.race([this.#settled(signal), current.backend.lost])
    await this.#show(current, signal)
  }

  async #isShown({ backend }: CurrentMount): Promise<boolean> {
    const shown = await mountAt(this.#options.root)
    return shown?.device === (await deviceOf(backend.directory))
  }

  async #publish(
    { backend }: CurrentMount,
    adopted: boolean,
    over: AbortSignal,
  ): Promise<void> {
    const directory = path.join(backend.directory, treeDirectory)
    const removed = path.join(backend.directory, removedDirectory)
    try {
      await this.#directory?.close()
      this.#directory = await openOrMake(directory)
      await mkdir(removed, { recursive: true, mode: 0o700 })
      await setAccess(directory, this.#access)
    } catch (error) {
      // It was unmounted in the meantime, say.
      const { message } = error as Error
      throw new Failure('failed', `the new mount cannot be used: ${message}`, {
        cause: error,
      })
    }
    over.throwIfAborted()
    // Not by its name: to look for that in a dead mount makes the kernel forget it, and then
    // nothing can be mounted over it, which is what is shown, without a gap.
    const opened = `/proc/self/fd/${this.#directory.fd}`
    const { fill } = backend
    const { store, node, tokens, rootCertificate } = this.#options
    const { clock, logger, report, onVolume, onVolumeGone } = this.#options
    this.#volumes = new ObjectVolumes({
      store,
      node,
      tokens,
      rootCertificate,
      clock,
      logger,
      report,
      onVolume,
      directory: opened,
      removedDirectory: removed,
      rootMode: backend.volumeRootMode,
      fill:
        fill &&
        ((each, entries) =>
          fill(path.join(directory, path.relative(opened, each)), entries)),
      adopted,
      onBroken: reason => this.#mount.giveUp(reason),
      historyOf: path => this.#historyOf(path),
      onVolumeGone: volume => {
        onVolumeGone(volume)
        this.#histories.delete(volume.path)
      },
    })
    await this.#volumes.start()
  }

  #historyOf(path: string): VolumeHistory {
    const known = this.#histories.get(path)
    if (known !== undefined) return known
    const history = new VolumeHistory(this.#budget)
    this.#histories.set(path, history)
    return history
  }

  async #move(next: Promise<CurrentMount>, lost: AbortSignal): Promise<void> {
    await this.#starting?.catch(() => undefined)
    await this.#volumes?.close()
    const mount = await next
    const over = AbortSignal.any([this.#closed.signal, lost])
    await this.#publish(mount, false, over)
    await this.#settled(over)
    await this.#show(mount, over)
  }

  /** Not without a volume that could be seen before, whatever went wrong at the first try. */
  async #settled(over: AbortSignal): Promise<void> {
    const shownAfter = this.#options.clock.sleep(settledMs, over)
    await Promise.race([this.#volumes?.settled(), shownAfter])
  }

  /** Not one that is lost: nobody could see what the kernel has not cached of it. */
  async #show({ backend }: CurrentMount, over: AbortSignal): Promise<void> {
    if (await isGone(backend)) throw new Error('the mount is lost')
    over.throwIfAborted()
    await backend.bind(treeDirectory, this.#options.root)
  }
}
