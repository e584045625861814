import type { Clock } from '../../util/clock.ts'
import { ChangeSignal } from './change-signal.ts'
import { inBackground } from '../../util/in-background.ts'

/**
 * The time that a Pod's containers have left, from the moment it is made. It can only become
 * shorter (docs/kubernetes.md#termination). One that was shortened to nothing is over at once,
 * whatever minimum is asked for; one that had 0 s from the beginning still grants that minimum.
 * It does not go by the time of day, which may be set.
 */
export class GracePeriod {
  readonly #clock: Clock
  readonly #changes: ChangeSignal
  #deadline: number
  #immediate = false

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#changes = new ChangeSignal(clock)
    this.#deadline = clock.elapsed() + ms
  }

  /** Kill, do not ask. */
  get immediate(): boolean {
    return this.#immediate
  }

  get isOver(): boolean {
    return this.#immediate || this.#deadline <= this.#clock.elapsed()
  }

  shorten(ms: number): void {
    this.#deadline = Math.min(this.#deadline, this.#clock.elapsed() + ms)
    if (ms <= 0) this.#immediate = true
    this.#changes.notify()
  }

  /**
   * Resolves with true when `done` resolves, with false when the period is over first; it
   * lasts at least until `notBefore`, by `elapsed`, unless it is immediate.
   */
  async waitFor(done: Promise<unknown>, notBefore = 0): Promise<boolean> {
    const state = { isDone: false }
    const watch = async () => {
      await done
      state.isDone = true
      this.#changes.notify()
    }
    inBackground(watch())
    for (;;) {
      const seen = this.#changes.version
      // Give what is done already its turn before the clock is asked.
      await Promise.resolve()
      if (state.isDone) return true
      const end = Math.max(this.#deadline, notBefore)
      const left = end - this.#clock.elapsed()
      if (this.#immediate || left <= 0) return false
      await this.#changes.wait(seen, left)
    }
  }
}
