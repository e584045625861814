import type { Clock } from '../util/clock.ts'

/** Nothing may have been heard for this time. */
const quietMs = 100
/** Not even a directory that is never quiet keeps a file that is gone. */
const longestMs = 2000

interface GoneFilesOptions {
  readonly clock: Clock
  /** Is something still being looked at? */
  readonly busy: () => boolean
  readonly drop: (path: string) => void
}

/**
 * Files that are gone, until the directories have been quiet for 100 ms: `git checkout`
 * removes first what the other branch does not have, and writes last what it has, maybe the
 * same objects under another name.
 */
export class GoneFiles {
  readonly #options: GoneFilesOptions
  readonly #since = new Map<string, number>()
  #lastHeard = 0
  #timer: { cancel(): void } | undefined

  constructor(options: GoneFilesOptions) {
    this.#options = options
  }

  get pending(): boolean {
    return this.#since.size > 0
  }

  heard(): void {
    this.#lastHeard = this.#options.clock.now()
  }

  add(path: string): void {
    if (!this.#since.has(path)) {
      this.#since.set(path, this.#options.clock.now())
    }
    this.#wait()
  }

  /** It is back. */
  delete(path: string): void {
    this.#since.delete(path)
  }

  close(): void {
    this.#timer?.cancel()
  }

  #wait(): void {
    const { clock, busy, drop } = this.#options
    this.#timer?.cancel()
    const now = clock.now()
    const remaining = quietMs - (now - this.#lastHeard)
    const unquiet = remaining > 0 || busy()
    for (const [path, since] of this.#since) {
      if (unquiet && now - since < longestMs) continue
      this.#since.delete(path)
      drop(path)
    }
    if (this.pending) {
      const ms = Math.min(Math.max(remaining, 10), quietMs)
      this.#timer = clock.after(ms, () => this.#wait())
    }
  }
}
