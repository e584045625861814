import { readdir } from 'node:fs/promises'
import { watchMountTable } from '../linux/watch-mount-table.ts'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import {
  directoryIdentity,
  isSameDirectory,
  knownMounts,
  watchDirectory,
  type DirectoryWatch,
  type Hint,
} from './directory-watch.ts'
import { watchLimit, type SourceError } from './errors.ts'
import type { WatchPoints } from './watch-points.ts'

/** How often directories are looked at that the kernel does not watch for us. */
const pollMs = 1000

/**
 * The kernel's queue holds 16,384 events by default, and Node does not say that it was full.
 * After more than so many within a second, everything is looked at.
 */
const manyEvents = 1000

export type WatchListener = (
  directory: string,
  name: string | null,
  hint: Hint,
) => void

export interface Watching {
  /** Something was added or renewed: what changed before is not known, so look again. */
  readonly renewed: boolean
  /** Why some directories are only looked at once a second. */
  readonly limit: SourceError | undefined
}

/**
 * The directories that one source watches at the moment. What inotify's limits leave no watch
 * for is looked at once a second instead, until there is one.
 */
export class WatchSet {
  readonly #clock: Clock
  readonly #listener: WatchListener
  readonly #watches = new Map<string, DirectoryWatch>()
  #poll: { cancel(): void } | undefined
  #unwatchMounts: (() => void) | undefined
  #events = 0
  #counting: { cancel(): void } | undefined
  #closed = false

  constructor(clock: Clock, listener: WatchListener) {
    this.#clock = clock
    this.#listener = listener
  }

  /** Watches exactly these; a directory that was replaced by another one is watched anew. */
  async set(points: WatchPoints, path: string): Promise<Watching> {
    if (!this.#closed)
      this.#unwatchMounts ??= watchMountTable(() =>
        inBackground(this.#lookAtMounts()),
      )
    const mounts = knownMounts()
    const wanted = new Set(points.directories)
    for (const [directory, watch] of this.#watches) {
      const stale =
        !wanted.has(directory) ||
        !isSameDirectory(
          await directoryIdentity(directory, mounts),
          watch.identity,
        )
      if (stale) {
        watch.close()
        this.#watches.delete(directory)
      }
    }
    let renewed = false
    let limit: SourceError | undefined
    let unwatched: string | undefined
    const add = async (directory: string): Promise<void> => {
      try {
        const watch = await watchDirectory(directory, mounts, (name, hint) => {
          this.#count(directory)
          this.#listener(directory, name, hint)
        })
        // Closed in the meantime: nobody would close this one.
        if (this.#closed) return watch.close()
        this.#watches.set(directory, watch)
        renewed = true
      } catch (error) {
        // Gone again, or not ours to read: whoever reads it says so.
        const problem = watchLimit(path, error)
        if (problem === undefined) return
        limit ??= problem
        unwatched ??= directory
      }
    }
    await Promise.all(
      [...wanted]
        .filter(directory => !this.#watches.has(directory))
        .map(directory => add(directory)),
    )
    this.#poll?.cancel()
    if (unwatched !== undefined && !this.#closed) this.#pollLater(unwatched)
    return { renewed, limit }
  }

  close(): void {
    this.#closed = true
    this.#unwatchMounts?.()
    this.#poll?.cancel()
    this.#counting?.cancel()
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }

  /** Nobody is told when another file system comes to a directory, or the same one again. */
  async #lookAtMounts(): Promise<void> {
    const mounts = knownMounts()
    for (const [directory, watch] of this.#watches) {
      const now = await directoryIdentity(directory, mounts)
      if (isSameDirectory(now, watch.identity)) continue
      // What is unmounted may come back: what was read stays until there is something to read.
      const names = await readdir(directory).catch(() => [])
      if (this.#closed || names.length === 0) continue
      this.#listener(directory, null, 'change')
    }
  }

  #count(directory: string): void {
    this.#events += 1
    this.#counting ??= this.#clock.after(pollMs, () => {
      const many = this.#events > manyEvents
      this.#events = 0
      this.#counting = undefined
      if (many) this.#listener(directory, null, 'change')
    })
  }

  /** Whoever hears of it looks around, and so calls `set` again. */
  #pollLater(directory: string): void {
    this.#poll = this.#clock.after(pollMs, () =>
      this.#listener(directory, null, 'change'),
    )
  }
}
