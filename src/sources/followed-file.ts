import { open, stat } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import type { Clock } from '../util/clock.ts'
import type { Hint } from './directory-watch.ts'
import { errorCode } from './errors.ts'

/** Two looks this far apart must agree before a file is read (architecture, rule 9). */
const lookMs = 10
/** A file that is not there is gone only if it does not come back within this time. */
const goneMs = 100
/** What is wrong with a file is believed when it has not changed for this time. */
const stableMs = 250
/** So long an empty file is taken for one whose writer has only just begun. */
const emptyMs = 2000

export type FileEvent =
  /** New content; maybe not yet all of it. */
  | { readonly kind: 'content'; readonly bytes: Buffer }
  /** The last content has not changed for 250 ms. */
  | { readonly kind: 'stable' }
  /** Empty for 2 s. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'unreadable'; readonly error: unknown }

export interface FollowedFileOptions {
  readonly path: string
  readonly clock: Clock
  readonly onEvent: (event: FileEvent) => void
  /** After each answer to a hint: the file is known as it is. */
  readonly onIdle: () => void
}

/**
 * One file, read only when nobody is in the middle of writing it.
 *
 * 1. A hint wakes it; hints while it is awake make it look once more at the end.
 * 2. Not there: wait up to 100 ms for its return, as between the two renames of an editor.
 * 3. Empty: half-written, said after 2 s, and read when it is not empty any more.
 * 4. Another file than before, and nobody has written to this name since it came: renamed
 *    into place, so it is complete; read at once.
 * 5. Else look again 10 ms later, until two looks agree in device, inode, size, mtime.
 * 6. Read; if the file is another one after reading than before, start again.
 * 7. 250 ms later look once more: the same means stable, else go on at 4. So an event that
 *    was lost costs 250 ms, not the edit.
 */
export class FollowedFile {
  readonly path: string
  readonly #options: FollowedFileOptions
  #hints = 0
  /** Writes to this name since a file last came to it. */
  #writes = 0
  #awake = false
  #closed = false
  #last: { readonly look: BigIntStats; readonly bytes: Buffer } | undefined
  /** Read without the second look: an equal look later proves nothing. */
  #readAtOnce = false
  #stable = false
  #timer: { cancel(): void } | undefined

  constructor(options: FollowedFileOptions) {
    this.#options = options
    this.path = options.path
  }

  /** Is it being looked at? */
  get busy(): boolean {
    return this.#awake
  }

  hint(hint: Hint): void {
    if (this.#closed) return
    this.#hints += 1
    this.#writes = hint === 'rename' ? 0 : this.#writes + 1
    if (this.#awake) return
    this.#awake = true
    void this.#follow()
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
        this.#emit({ kind: 'unreadable', error })
      }
    } while (answered !== this.#hints && !this.#closed)
    this.#awake = false
    if (!this.#closed) this.#options.onIdle()
  }

  async #lookAndRead(): Promise<void> {
    while (!this.#closed) {
      const first = await this.#lookForAWhile()
      if (first === undefined) {
        this.#last = undefined
        this.#emit({ kind: 'gone' })
        return
      }
      if (first.size === 0n) {
        this.#waitWhileEmpty(first)
        return
      }
      if (
        this.#last !== undefined &&
        !this.#readAtOnce &&
        sameLook(first, this.#last.look)
      ) {
        this.#waitUntilStable(first)
        return
      }
      const atOnce = await this.#cameByRename(first)
      if (!atOnce) {
        await this.#options.clock.sleep(lookMs)
        const second = await look(this.path)
        if (second === undefined || !sameLook(first, second)) continue
      }
      const bytes = await readUnchanged(this.path, first)
      if (bytes === undefined) continue
      this.#accept(first, bytes, atOnce)
      return
    }
  }

  #accept(look: BigIntStats, bytes: Buffer, atOnce: boolean): void {
    const same = this.#last?.bytes.equals(bytes) === true
    this.#last = { look, bytes }
    this.#readAtOnce = atOnce
    if (!same) {
      this.#stable = false
      this.#emit({ kind: 'content', bytes })
    }
    this.#waitUntilStable(look)
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
    if (this.#stable) return
    this.#after(stableMs, look, () => {
      this.#stable = true
      this.#emit({ kind: 'stable' })
    })
  }

  #waitWhileEmpty(look: BigIntStats): void {
    this.#after(emptyMs, look, () => this.#emit({ kind: 'empty' }))
  }

  /** Calls back when the file has not changed for so long; the time before we looked counts. */
  #after(ms: number, seen: BigIntStats, callback: () => void): void {
    const { clock } = this.#options
    const age = clock.now() - Number(seen.ctimeNs / 1_000_000n)
    if (age >= ms) {
      callback()
      return
    }
    // A clock that went backwards must not make it wait longer.
    const remaining = Math.min(ms, ms - age)
    this.#timer = clock.after(remaining, () => {
      void this.#ifUnchanged(seen, callback)
    })
  }

  async #ifUnchanged(seen: BigIntStats, callback: () => void): Promise<void> {
    const now = await look(this.path).catch(() => undefined)
    if (this.#closed || this.#awake) return
    if (now !== undefined && sameLook(now, seen)) callback()
    else this.hint('change')
  }

  #emit(event: FileEvent): void {
    if (!this.#closed) this.#options.onEvent(event)
  }
}

/** Undefined where there is no regular file. */
export async function look(path: string): Promise<BigIntStats | undefined> {
  try {
    const found = await stat(path, { bigint: true })
    return found.isFile() ? found : undefined
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') {
      return undefined
    }
    throw error
  }
}

function sameLook(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs
  )
}

/** Undefined when it is not, or no longer, the file that was looked at. */
async function readUnchanged(
  path: string,
  expected: BigIntStats,
): Promise<Buffer | undefined> {
  let file
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    if (!sameLook(await file.stat({ bigint: true }), expected)) return undefined
    const bytes = await file.readFile()
    const after = await file.stat({ bigint: true })
    return sameLook(after, expected) ? bytes : undefined
  } finally {
    await file.close()
  }
}
