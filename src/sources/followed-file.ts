import { constants, type BigIntStats } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../util/clock.ts'
import type { Hint } from './directory-watch.ts'
import { isAbsence, Unmounted } from './errors.ts'
import { Turns } from '../util/turns.ts'
import { inBackground } from '../util/in-background.ts'
import { hasCode } from '../util/error-code.ts'

/** Two looks this far apart must agree before a file is read: an editor may still be writing it. */
const lookMs = 10
/** A file that is not there is gone only if it does not come back within this time. */
const goneMs = 250
/** What is wrong with a file is believed when it has not changed for this time. */
const stableMs = 250
/** So long an empty file is taken for one whose writer has only just begun. */
const emptyMs = 2000
/** A file that is written to for longer without a pause of 10 ms is read all the same. */
const restlessMs = 2000
/** How often a file is looked at that could not be read, or has names we do not watch. */
const pollMs = 1000

/** Each read holds a descriptor, and there may be thousands of files. */
const reads = new Turns(16)

export type FileEvent<T> =
  /** New content; maybe not yet all of it. */
  | { readonly kind: 'content'; readonly content: T }
  /** New content, more than is wanted; it has not been read. */
  | { readonly kind: 'large'; readonly size: number }
  /** The last content has not changed for 250 ms. */
  | { readonly kind: 'stable' }
  /** Empty for 2 s. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'gone' }
  /** Tried again each second. */
  | { readonly kind: 'unreadable'; readonly error: unknown }

export interface FollowedFileOptions<T> {
  readonly path: string
  readonly clock: Clock
  /** How far apart the first two looks are; 10 ms by default. */
  readonly firstLookMs?: number
  /** Larger files are not read. */
  readonly maxBytes: () => number
  /** What the bytes say; it never rejects. The file is busy until it is known. */
  readonly decode: (bytes: Buffer) => Promise<T>
  readonly onEvent: (event: FileEvent<T>) => void
  /** After each answer to a hint: the file is known as it is. */
  readonly onIdle: () => void
}

/**
 * One file, read only when nobody is in the middle of writing it.
 *
 * 1. A hint wakes it; hints while it is awake make it look once more at the end.
 * 2. Not there: wait up to 250 ms for its return, as between the two renames of an editor. Where
 *    its file system has gone with it, it is not gone, but cannot be read.
 * 3. Empty: half-written, said after 2 s, and read when it is not empty any more.
 * 4. Another file than before, and nobody has written to this name since it came: renamed
 *    into place, so it is complete; read at once. So is one that nobody has changed for 250 ms
 *    before the first look.
 * 5. Else look again 10 ms later, until two looks agree.
 * 6. Read; if the file is another one after reading than before, start again.
 * 7. 250 ms later look once more: the same means stable, else go on at 4. So an event that
 *    was lost costs 250 ms, not the edit.
 *
 * All waiting is by a clock that nobody can set.
 */
export class FollowedFile<T> {
  readonly path: string
  readonly #options: FollowedFileOptions<T>
  #hints = 0
  /** Writes to this name since a file last came to it. */
  #writes = 0
  #awake = false
  #closed = false
  /** `bytes` is undefined of a file that was too large. */
  #last:
    | { readonly look: BigIntStats; readonly bytes: Buffer | undefined }
    | undefined
  /** The file system of its directory when it was read last. */
  #home: bigint | undefined
  /**
   * Two looks that agreed were so far apart, before the last read, that the kernel's clock has
   * moved on. Without that an equal look later proves nothing: a write in the same tick leaves
   * the same times, and maybe the same size (git's "racy" entries).
   */
  #proven = false
  /** False: what was read last has not been told, so an equal look, or equal bytes, are news. */
  #told = true
  #stable = false
  #newHere = true
  #empty: { readonly look: BigIntStats; readonly since: number } | undefined
  #timer: { cancel(): void } | undefined

  constructor(options: FollowedFileOptions<T>) {
    this.#options = options
    this.path = options.path
  }

  /** Is it being looked at? */
  get busy(): boolean {
    return this.#awake
  }

  /** Has it been looked at to an end? */
  get isLookedAt(): boolean {
    return !this.#newHere
  }

  hint(hint: Hint): void {
    if (this.#closed) return
    this.#hints += 1
    this.#writes = hint === 'rename' ? 0 : this.#writes + 1
    if (this.#awake) return
    this.#awake = true
    inBackground(this.#follow())
  }

  /** Reads it even when it looks as it did. */
  readAgain(): void {
    this.#told = false
    this.hint('change')
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #follow(): Promise<void> {
    let answered: number
    do {
      answered = this.#hints
      this.#timer?.cancel()
      try {
        await this.#lookAndRead()
      } catch (error) {
        this.#told = false
        this.#emit({ kind: 'unreadable', error })
        this.#after(pollMs, () => this.hint('change'))
      }
    } while (answered !== this.#hints && !this.#closed)
    this.#awake = false
    this.#newHere = false
    if (!this.#closed) this.#options.onIdle()
  }

  async #lookAndRead(): Promise<void> {
    const { clock, firstLookMs = lookMs } = this.#options
    const began = clock.elapsed()
    while (!this.#closed) {
      const first = await this.#lookForAWhile()
      const lookedAt = clock.elapsed()
      if (first === undefined) {
        if (await this.#isUnmounted()) throw new Unmounted()
        this.#last = undefined
        this.#told = true
        this.#emit({ kind: 'gone' })
        return
      }
      if (first.size === 0n) {
        this.#waitWhileEmpty(first)
        return
      }
      this.#empty = undefined
      if (
        this.#last !== undefined &&
        this.#proven &&
        this.#told &&
        sameLook(first, this.#last.look)
      ) {
        this.#waitUntilStable(first)
        return
      }
      const atOnce = this.#isOld(first) || (await this.#cameByRename(first))
      const restless = clock.elapsed() - began >= restlessMs
      if (!atOnce) {
        await clock.sleep(this.#last === undefined ? firstLookMs : lookMs)
        const second = await look(this.path)
        if (second === undefined) continue
        if (!restless && !sameLook(first, second)) continue
      }
      const isApart = clock.elapsed() - lookedAt >= lookMs
      const read = await reads.run(() =>
        readUnchanged(this.path, this.#options.maxBytes()),
      )
      if (read === undefined || read.look.size === 0n) continue
      // Renamed over in between, it is as complete as the one before; else look again.
      const expected =
        restless ||
        sameLook(read.look, first) ||
        (await this.#cameByRename(read.look))
      if (!expected) continue
      await this.#accept(read, isApart && sameLook(read.look, first))
      return
    }
  }

  async #accept(
    { look, bytes }: { look: BigIntStats; bytes: Buffer | undefined },
    proven: boolean,
  ): Promise<void> {
    const same =
      this.#told &&
      bytes !== undefined &&
      this.#last?.bytes?.equals(bytes) === true
    this.#last = { look, bytes }
    // It may have been renamed away since, and be on its way back.
    const directory = await stat(dirname(this.path), { bigint: true }).catch(
      () => undefined,
    )
    // Not where it is a link into another file system.
    this.#home = directory?.dev === look.dev ? look.dev : undefined
    this.#proven = proven
    this.#told = true
    if (!same) {
      this.#stable = false
      this.#emit(
        bytes === undefined
          ? { kind: 'large', size: Number(look.size) }
          : { kind: 'content', content: await this.#options.decode(bytes) },
      )
    }
    this.#waitUntilStable(look)
  }

  /** What was around it has gone with its file system, and may come back with it. */
  async #isUnmounted(): Promise<boolean> {
    if (this.#home === undefined) return false
    let directory = dirname(this.path)
    for (;;) {
      const found = await stat(directory, { bigint: true }).catch(() => {})
      if (found === undefined && directory !== '/') {
        directory = dirname(directory)
        continue
      }
      if (found === undefined || found.dev === this.#home) return false
      return (await readdir(directory)).length === 0
    }
  }

  async #lookForAWhile(): Promise<BigIntStats | undefined> {
    const { clock } = this.#options
    for (let waited = 0; ; waited += lookMs) {
      const found = await look(this.path)
      if (found !== undefined || waited >= goneMs || this.#closed) return found
      // Never there: nothing can be lost.
      if (this.#last === undefined && waited > 0) return undefined
      await clock.sleep(lookMs)
    }
  }

  /**
   * inotify tells of each write before its size can be seen. So if the file is another one
   * than before, has content, and one turn of the event loop later no write to this name has
   * been heard of, it was written under another name.
   */
  async #cameByRename(now: BigIntStats): Promise<boolean> {
    const before = this.#last?.look
    if (before === undefined || this.#writes > 0) return false
    if (before.ino === now.ino && before.dev === now.dev) return false
    await this.#options.clock.sleep(1)
    return this.#writes === 0
  }

  #waitUntilStable(look: BigIntStats): void {
    if (this.#stable) this.#watchOtherNames(look)
    else
      this.#ifUnchanged(this.#left(stableMs, look), look, () => {
        this.#stable = true
        this.#emit({ kind: 'stable' })
        this.#watchOtherNames(look)
      })
  }

  /** Written to under another of its names (hard links), it changes without a word. */
  #watchOtherNames(look: BigIntStats): void {
    if (look.nlink === 1n) return
    this.#ifUnchanged(pollMs, look, () => this.#watchOtherNames(look))
  }

  #waitWhileEmpty(look: BigIntStats): void {
    const { clock } = this.#options
    if (this.#empty === undefined || !sameLook(this.#empty.look, look))
      this.#empty = { look, since: clock.elapsed() }
    const waited = clock.elapsed() - this.#empty.since
    this.#ifUnchanged(this.#left(emptyMs - waited, look), look, () => {
      // The same content again is news, then.
      this.#told = false
      this.#emit({ kind: 'empty' })
    })
  }

  /**
   * What was there before it was first looked at need not wait as long again. Only then is the
   * time of day asked, which anybody may set, and which a file server may see otherwise.
   */
  #left(ms: number, look: BigIntStats): number {
    if (!this.#newHere) return ms
    const age = this.#options.clock.now() - Number(look.ctimeNs / 1_000_000n)
    return age >= 0 ? ms - age : ms
  }

  /** It was there long before it was first looked at, and nobody is writing to it. */
  #isOld(look: BigIntStats): boolean {
    return this.#newHere && this.#left(stableMs, look) <= 0
  }

  #after(ms: number, callback: () => void): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(ms, callback)
  }

  /** Calls back so much later; or looks and reads, when the file has changed. */
  #ifUnchanged(ms: number, seen: BigIntStats, callback: () => void): void {
    const lookAgain = async (): Promise<void> => {
      const now = await look(this.path).catch(() => undefined)
      if (this.#closed || this.#awake) return
      if (now !== undefined && sameLook(now, seen)) callback()
      else this.hint('change')
    }
    this.#after(ms, () => inBackground(lookAgain()))
  }

  #emit(event: FileEvent<T>): void {
    if (!this.#closed) this.#options.onEvent(event)
  }
}

/** Undefined where there is no regular file. */
export async function look(path: string): Promise<BigIntStats | undefined> {
  try {
    const found = await stat(path, { bigint: true })
    return found.isFile() ? found : undefined
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}

/** The time of a file's last change alone can be set back (`touch -r`, `rsync -t`). */
function sameLook(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  )
}

/** Undefined when it is no regular file, or changes while it is read. */
async function readUnchanged(
  path: string,
  maxBytes: number,
): Promise<{ look: BigIntStats; bytes: Buffer | undefined } | undefined> {
  let file
  try {
    // Without O_NONBLOCK a named pipe that has just come here would hold a thread for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    // ENXIO: a socket.
    if (isAbsence(error) || hasCode(error, 'ENXIO')) return undefined
    throw error
  }
  try {
    const before = await file.stat({ bigint: true })
    if (!before.isFile()) return undefined
    if (before.size > maxBytes) return { look: before, bytes: undefined }
    const bytes = await file.readFile()
    const after = await file.stat({ bigint: true })
    return sameLook(after, before) ? { look: before, bytes } : undefined
  } finally {
    await file.close()
  }
}
