import type { Clock } from '../util/clock.ts'

/** So long a finished file waits for others that are still being looked at. */
const roundMs = 50

interface Round {
  /** Is any file still being looked at? */
  busy(): boolean
  flush(): void
}

/**
 * Makes one batch of what was saved together: `git checkout` changes 200 files, and a
 * volume made of them should change once. Also runs one look around at a time.
 */
export class Rounds {
  readonly #clock: Clock
  readonly #round: Round
  #timer: { cancel(): void } | undefined
  #looking: Promise<void> | undefined
  #lookAgain = false
  #closed = false

  constructor(clock: Clock, round: Round) {
    this.#clock = clock
    this.#round = round
  }

  /** A file has been read, or found gone. */
  settled(): void {
    if (this.#closed) return
    if (!this.#round.busy()) this.#flush()
    else this.#timer ??= this.#clock.after(roundMs, () => this.#flush())
  }

  /** Is a look around under way? */
  get looking(): boolean {
    return this.#looking !== undefined
  }

  /** Looks now, or once more after the look that is under way. */
  async look(around: () => Promise<void>): Promise<void> {
    if (this.#looking !== undefined) {
      this.#lookAgain = true
      return
    }
    do {
      this.#lookAgain = false
      this.#looking = around()
      await this.#looking.catch(() => undefined)
    } while (this.#lookAgain && !this.#closed)
    this.#looking = undefined
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (!this.#closed) this.#round.flush()
  }
}
