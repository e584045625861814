import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../util/clock.ts'
import { deferred } from '../util/deferred.ts'
import { inBackground } from '../util/in-background.ts'
import {
  isAbsence,
  limitFinding,
  unreadable,
  unreadableFinding,
} from './errors.ts'
import type { FindingsReport } from './findings-report.ts'
import type { FoundFile } from './found-file.ts'
import { Heard } from './heard.ts'
import { isAtOrBelow } from './is-at-or-below.ts'
import type { Obstacles } from './obstacles.ts'
import { Rounds } from './rounds.ts'
import type { WatchPoints } from './watch-points.ts'
import { WatchSet, type LiveFile, type WatchSetOptions } from './watch-set.ts'

/** A directory that cannot be read is tried again this much later. */
const retryMs = 1000

/** What a source is made of at the moment. */
export interface Listing {
  readonly files: readonly FoundFile[]
  /** Where a change may concern one of them, or bring another one. */
  readonly points: WatchPoints
  /** What is not there or cannot be read, each with its error. */
  readonly problems?: ReadonlyMap<string, unknown>
}

/** What differs from source to source. */
export interface LiveFilesOptions<F extends LiveFile> {
  readonly clock: Clock
  readonly report: FindingsReport
  readonly obstacles: Obstacles
  /** The PATH to name where something concerns all of it. */
  readonly root: () => string
  readonly list: () => Promise<Listing>
  readonly open: (path: string) => F
  readonly newsOf: WatchSetOptions<F>['newsOf']
  /** Of each file that is followed and not listed. */
  readonly onUnlisted: (file: F) => Promise<void>
  /** False while nobody knows whether what is gone comes back. */
  readonly isRemoved: (path: string) => boolean
  /** It is not followed any more. */
  readonly onDropped?: (path: string) => void
  /** The end of a round: what has been read goes into the store, together. */
  readonly publish: () => void
}

/**
 * The files of a source, live: the one loop of all sources.
 *
 * Who knows what:
 * - `list`: which files are meant, and which directories tell of a change;
 * - directory-watch.ts: that something happened to a name. A hint, nothing more;
 * - watch-set.ts: which file a hint concerns;
 * - followed-file.ts: when a file is complete, when it is gone;
 * - each LiveFile: what of its content is believed;
 * - rounds.ts: when what has been read is published, together;
 * - this class: the files and watches, kept in line with what is listed.
 *
 * Nothing is read for good before its watch is set: a file that gets a watch, or a name under
 * which it is heard of, is looked at once more after that.
 */
export class LiveFiles<F extends LiveFile> {
  readonly report: FindingsReport
  readonly obstacles: Obstacles
  readonly #options: LiveFilesOptions<F>
  readonly files = new Map<string, F>()
  /** Not there any more: let go with the next round, unless they are back by then. */
  readonly gone = new Set<string>()
  isStarted = false
  readonly #watches: WatchSet<F>
  readonly #rounds: Rounds
  #change = deferred<void>()
  #next: { cancel(): void } | undefined
  #isClosed = false

  constructor(options: LiveFilesOptions<F>) {
    this.#options = options
    const { clock, report, obstacles, newsOf } = options
    this.report = report
    this.obstacles = obstacles
    const heard = new Heard(clock)
    this.#watches = new WatchSet({
      clock,
      heard,
      files: () => this.files.values(),
      newsOf,
      look: () => this.lookSoon(),
    })
    this.#rounds = new Rounds({
      clock,
      heard,
      busy: () => this.isBusy,
      flush: () => this.#flush(),
    })
  }

  get all(): readonly F[] {
    return [...this.files.values()]
  }

  get isBusy(): boolean {
    return this.all.some(({ follower }) => follower.busy)
  }

  /** Brings the files and watches in line with what is listed; resolves when that is done. */
  async look(): Promise<void> {
    await this.#rounds.look(() => this.#lookAround())
  }

  lookSoon(): void {
    inBackground(this.look())
  }

  /** So much later; what a look asked for before is asked for by the next one, too. */
  lookLater(ms: number): void {
    this.#next?.cancel()
    if (!this.#isClosed)
      this.#next = this.#options.clock.after(ms, () => this.lookSoon())
  }

  /** Follows it from now on, with or without a watch. */
  open({ path, names }: FoundFile): void {
    const file = this.#options.open(path)
    file.names = names
    this.files.set(path, file)
    file.follower.hint('change')
  }

  /** A file is as it is now. */
  settled(file: F): void {
    const { path, wasRead, isNothing = false } = file
    const isGone = this.gone.has(path)
    if (isGone && isNothing) this.#drop(path)
    else this.#rounds.settled(path, wasRead && !isGone)
    this.#noteChange()
  }

  /** Lets go of it at once. */
  drop(path: string): void {
    this.#drop(path)
    this.#rounds.settled(path, false)
  }

  /** Resolves when it is so; asked whenever a file has settled. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.#change.promise
  }

  /** What has been read until now is published, and from now on each round. */
  begin(): void {
    this.isStarted = true
    this.#flush()
  }

  close(): void {
    this.#isClosed = true
    this.#rounds.close()
    this.#next?.cancel()
    this.#watches.close()
    for (const file of this.all) file.close()
    this.#noteChange()
  }

  async #lookAround(): Promise<void> {
    const { list, report, root, onUnlisted } = this.#options
    for (let again = true; again && !this.#isClosed;) {
      const listing = await list()
      const { renewed, limit } = await this.#watches.set(listing.points, root())
      report.set('watch', limit === undefined ? [] : [limitFinding(limit)])
      if (this.#isClosed) return
      this.#noteProblems(listing)
      this.#follow(listing.files, renewed)
      for (const file of this.#unlisted(listing)) await onUnlisted(file)
      again = renewed
    }
  }

  /**
   * Synchronous from the look at a file to the names under which it is heard of: an event that came
   * in between would concern no file.
   */
  #follow(found: readonly FoundFile[], renewed: boolean): void {
    for (const { path, names } of found) {
      const file = this.files.get(path)
      if (file === undefined) {
        this.open({ path, names })
        continue
      }
      const isHeard = isDeepStrictEqual(file.names, names)
      file.names = names
      // Not `rename`: of what was written before nobody has heard.
      if (renewed || !isHeard) this.#watches.hint(file, 'change')
    }
    this.#watches.listen()
  }

  #noteProblems({ problems = new Map() }: Listing): void {
    const { isRemoved } = this.#options
    const told = [...problems].filter(
      // A FILE that was removed is no mistake; its directory, or a DIR, may come back.
      ([path, error]) => !isAbsence(error) || !isRemoved(path),
    )
    this.obstacles.set('', new Map(told))
    for (const file of this.all) {
      const way = told.find(([each]) => isAtOrBelow(file.path, each))
      file.setObstacle?.(way && unreadableFinding(unreadable(...way)))
    }
    if (!told.every(([, error]) => isAbsence(error))) this.lookLater(retryMs)
  }

  /** But for those of which nobody knows whether they are there. */
  #unlisted({ files, problems = new Map() }: Listing): readonly F[] {
    const listed = new Set(files.map(({ path }) => path))
    const closed = [...problems].filter(([, error]) => !isAbsence(error))
    return this.all.filter(
      ({ path }) =>
        !listed.has(path) && !closed.some(([each]) => isAtOrBelow(path, each)),
    )
  }

  #drop(path: string): void {
    const file = this.files.get(path)
    if (file === undefined) return
    file.close()
    this.files.delete(path)
    this.gone.delete(path)
    this.#options.onDropped?.(path)
    this.#noteChange()
    // It may have come back in the meantime, unheard because it was still followed.
    if (this.isStarted) this.lookSoon()
  }

  #noteChange(): void {
    this.#change.resolve()
    this.#change = deferred()
  }

  #flush(): void {
    if (this.#isClosed || !this.isStarted) return
    for (const path of this.gone) {
      // What is in a PATH that is away comes back, or is looked at, together with it.
      if (this.#options.isRemoved(path)) this.#drop(path)
    }
    this.gone.clear()
    this.#options.publish()
  }
}
