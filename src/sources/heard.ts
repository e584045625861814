import type { Clock } from '../util/clock.ts'

/** What has been heard of since the last round: one file that was saved, or several names. */
export class Heard {
  readonly #clock: Clock
  /** When the first file of this round was heard of. */
  #since: number | undefined
  #first: string | undefined
  #several = false
  #last: string | undefined
  #lastHeard = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Something happened to a file that has been read before. */
  file(path: string): void {
    this.other(path)
    this.#since ??= this.#lastHeard
    this.#first ??= path
    if (path !== this.#first) this.#several = true
  }

  /** Something happened to another name, maybe that of a file that is new. */
  other(path: string): void {
    this.#lastHeard = this.#clock.elapsed()
    this.#last = path
  }

  /** Nothing has been heard of any other name. */
  isOnly(path: string): boolean {
    return !this.#several && this.#first === path && this.#last === path
  }

  /** What has been read goes together with what is still to be heard of. */
  beginSeveral(): void {
    this.#since ??= this.#clock.elapsed()
    this.#several = true
  }

  endRound(): void {
    this.#since = undefined
    this.#first = undefined
    this.#several = false
  }

  /** For how long it has been quiet. */
  get quietMs(): number {
    return this.#clock.elapsed() - this.#lastHeard
  }

  /** For how long what has been heard of has waited. */
  get roundMs(): number {
    return this.#since === undefined ? 0 : this.#clock.elapsed() - this.#since
  }
}
