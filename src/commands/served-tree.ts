import { type FileHandle, mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { abortable } from '../util/abortable.ts'
import { Failure } from '../util/failure.ts'
import {
  ObjectVolumes,
  type ObjectVolumesOptions,
} from '../volumes/object-volumes.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import { VolumeHistory } from '../volumes/volume-history.ts'
import { setAccess, type Access } from '../session/access.ts'
import type { CurrentMount, RenewedMount } from '../session/renewed-mount.ts'

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
  #publishing: Promise<void> | undefined
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
    this.#unfollow = this.#mount.follow(next => this.#move(next))
    await this.#mount.orNext(async () => {
      const { current } = this.#mount
      this.#publishing = this.#publish(current, adopted)
      await this.#publishing
      await this.#show(current)
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

  async #publish({ backend }: CurrentMount, adopted: boolean): Promise<void> {
    const directory = path.join(backend.directory, treeDirectory)
    const removed = path.join(backend.directory, removedDirectory)
    try {
      for (const each of [directory, removed])
        await mkdir(each, { recursive: true, mode: 0o700 })
      await setAccess(directory, this.#access)
      await this.#directory?.close()
      this.#directory = await open(directory, 'r')
    } catch (error) {
      // It was unmounted in the meantime, say.
      const { message } = error as Error
      throw new Failure('failed', `the new mount cannot be used: ${message}`, {
        cause: error,
      })
    }
    // Not by its name: to look for that in a dead mount makes the kernel forget it, and then
    // nothing can be mounted over it, which is what is shown, without a gap.
    const opened = `/proc/self/fd/${this.#directory.fd}`
    const { fill } = backend
    this.#volumes = new ObjectVolumes({
      ...this.#options,
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
        this.#options.onVolumeGone(volume)
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

  async #move(next: Promise<CurrentMount>): Promise<void> {
    await this.#publishing?.catch(() => undefined)
    await this.#volumes?.close()
    const mount = await next
    this.#closed.signal.throwIfAborted()
    this.#publishing = this.#publish(mount, false)
    await abortable(this.#publishing, this.#closed.signal)
    // Not without a volume that could be seen before, whatever went wrong at the first try.
    const { clock } = this.#options
    const settled = this.#volumes?.settled()
    const shownAfter = clock.sleep(settledMs, this.#closed.signal)
    await Promise.race([settled, shownAfter])
    this.#closed.signal.throwIfAborted()
    await this.#show(mount)
  }

  async #show({ backend }: CurrentMount): Promise<void> {
    await backend.bind(treeDirectory, this.#options.root)
  }
}
