import { join } from 'node:path'
import type { Finding } from '../api/report.ts'
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
import { isEditorsFile } from './editors-files.ts'
import { watchLimit, type SourceError } from './errors.ts'
import type { FollowedFile } from './followed-file.ts'
import type { Heard } from './heard.ts'
import { WatchPoints } from './watch-points.ts'

/** How often directories are looked at that the kernel does not watch for us. */
const pollMs = 1000

/**
 * The kernel's queue holds 16,384 events by default, and Node does not say that it was full.
 * After more than so many within a second, everything is looked at.
 */
const manyEvents = 1000

/** A file of a source: how its bytes are read, and what of them is believed. */
export interface LiveFile {
  readonly path: string
  /** Real paths of the names under which it is heard of. */
  names: readonly string[]
  readonly follower: Pick<FollowedFile<unknown>, 'busy' | 'hint'>
  /** It has been read, so that an edit of it alone waits for nothing. */
  readonly wasRead: boolean
  /** It has never said anything, so nothing changes when it is gone. */
  readonly isNothing?: boolean
  /** Why nobody can look for it at the moment. */
  setObstacle?(finding: Finding | undefined): void
  close(): void
}

/** `new`: a reason to look around, too, and what is saved meanwhile goes together with it. */
export type News = 'none' | 'look' | 'new'

export interface WatchSetOptions<F extends LiveFile> {
  readonly clock: Clock
  readonly heard: Heard
  readonly files: () => Iterable<F>
  /** Whether it may mean other files that this happened to a name, of these files or of none. */
  readonly newsOf: (path: string, hint: Hint, files: readonly F[]) => News
  readonly look: () => void
}

export interface Watching {
  /** Something was added or renewed: what changed before is not known, so look again. */
  readonly renewed: boolean
  /** Why some directories are only looked at once a second. */
  readonly limit: SourceError | undefined
}

/**
 * The directories that one source watches at the moment, and which of its files it concerns that
 * something happened to a name in one of them. What inotify's limits leave no watch
 * for is looked at once a second instead, until there is one.
 */
export class WatchSet<F extends LiveFile> {
  readonly #options: WatchSetOptions<F>
  #points = new WatchPoints()
  #concerned = new Map<string, F[]>()
  readonly #watches = new Map<string, DirectoryWatch>()
  #poll: { cancel(): void } | undefined
  #unwatchMounts: (() => void) | undefined
  #events = 0
  #counting: { cancel(): void } | undefined
  #closed = false

  constructor(options: WatchSetOptions<F>) {
    this.#options = options
  }

  /** Watches exactly these; a directory that was replaced by another one is watched anew. */
  async set(points: WatchPoints, path: string): Promise<Watching> {
    this.#points = points
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
          this.#hear(directory, name, hint)
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

  /** To the names that the files have now. */
  listen(): void {
    this.#concerned = new Map()
    for (const file of this.#options.files())
      for (const name of file.names) {
        const others = this.#concerned.get(name)
        if (others === undefined) this.#concerned.set(name, [file])
        else others.push(file)
      }
  }

  hint(file: F, hint: Hint): void {
    const { heard } = this.#options
    if (file.wasRead) heard.file(file.path)
    else heard.other(file.path)
    file.follower.hint(hint)
  }

  close(): void {
    this.#closed = true
    this.#unwatchMounts?.()
    this.#poll?.cancel()
    this.#counting?.cancel()
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }

  #hear(directory: string, name: string | null, hint: Hint): void {
    if (this.#closed) return
    const { heard, newsOf, look } = this.#options
    const path = join(directory, name ?? '')
    const files = this.#concerned.get(path) ?? []
    if (name !== null && files.length === 0) {
      if (!this.#points.matters(directory, name)) return
      // What is named on the way to a file is meant, however it is called.
      if (this.#points.isAll(directory) && isEditorsFile(name)) return
    }
    // Something that inotify could not name has happened, or `..data` has been swapped, and with
    // it all that a published volume has.
    const isAnything = name === null || name.startsWith('..')
    for (const file of isAnything ? this.#options.files() : files)
      this.hint(file, hint)
    const news = name === null ? 'look' : newsOf(path, hint, files)
    if (news === 'new') heard.other(path)
    if (isAnything || news !== 'none') look()
  }

  /** Nobody is told when another file system comes to a directory, or the same one again. */
  async #lookAtMounts(): Promise<void> {
    const mounts = knownMounts()
    for (const [directory, watch] of this.#watches) {
      const now = await directoryIdentity(directory, mounts)
      if (isSameDirectory(now, watch.identity)) continue
      this.#hear(directory, null, 'change')
    }
  }

  #count(directory: string): void {
    this.#events += 1
    this.#counting ??= this.#options.clock.after(pollMs, () => {
      const many = this.#events > manyEvents
      this.#events = 0
      this.#counting = undefined
      if (many) this.#hear(directory, null, 'change')
    })
  }

  /** Whoever hears of it looks around, and so calls `set` again. */
  #pollLater(directory: string): void {
    this.#poll = this.#options.clock.after(pollMs, () =>
      this.#hear(directory, null, 'change'),
    )
  }
}
