import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import type { Heard } from './heard.ts'

/** Several files are taken for complete when nothing has been heard for this long. */
const quietMs = 100
/** What was read waits no longer than this, even in a directory that is never quiet. */
const longestMs = 5000

interface RoundsOptions {
  readonly clock: Clock
  readonly heard: Heard
  /** Is any file still being looked at? */
  readonly busy: () => boolean
  readonly flush: () => void
}

/**
 * Makes one batch of what was saved together: `git checkout` changes 200 files, removes first
 * what the other branch does not have, and writes last what it has; a volume made of them
 * should change once, from the one branch to the other.
 *
 * One file that was saved, with nothing heard of after it, waits for nothing. Anything else
 * waits until the directories have been quiet for 100 ms: a second file, one that is new, one
 * that is gone. Also runs one look around at a time.
 */
export class Rounds {
  readonly #options: RoundsOptions
  #timer: { cancel(): void } | undefined
  #looking: Promise<void> | undefined
  #lookAgain = false
  #closed = false

  constructor(options: RoundsOptions) {
    this.#options = options
  }

  /** A file is as it is now. `alone`: it was there before, and has been read. */
  settled(path: string, alone: boolean): void {
    if (this.#closed) return
    const { heard } = this.#options
    if (alone && heard.isOnly(path)) {
      this.#flush()
      return
    }
    heard.beginSeveral()
    if (this.#timer === undefined) this.#wait()
  }

  /**
   * Looks now, or once more after the look that is under way. Resolves when the first look is
   * done, however often something is heard meanwhile.
   */
  async look(around: () => Promise<void>): Promise<void> {
    if (this.#looking !== undefined) {
      this.#lookAgain = true
      return
    }
    this.#lookAgain = false
    this.#looking = around().catch(() => undefined)
    await this.#looking
    this.#looking = undefined
    if (this.#lookAgain && !this.#closed) inBackground(this.look(around))
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #wait(): void {
    this.#timer = undefined
    const { clock, heard, busy } = this.#options
    const quiet = heard.quietMs
    const unquiet = quiet < quietMs || this.#looking !== undefined || busy()
    const left = longestMs - heard.roundMs
    if (!unquiet || left <= 0) {
      this.#flush()
      return
    }
    const ms = Math.min(Math.max(quietMs - quiet, 10), left)
    this.#timer = clock.after(ms, () => this.#wait())
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#options.heard.endRound()
    if (!this.#closed) this.#options.flush()
  }
}
