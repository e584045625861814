import type { Clock } from '../../../util/clock.ts'

interface Group {
  readonly waiting: Set<() => void>
  readonly timer: { cancel(): void }
}

/**
 * Wakes the probes of a Pod: those that wait for the same moment with one timer, so that their
 * looks go side by side and the process wakes for them once.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #groups = new Map<number, Group>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves at `moment` of `Clock.elapsed`, at once where it has passed, and when `stop` aborts. */
  async wait(moment: number, stop: AbortSignal): Promise<void> {
    if (stop.aborted) return
    await new Promise<void>(resolve => {
      const { waiting, timer } = this.#groupOf(moment)
      const end = (): void => {
        stop.removeEventListener('abort', end)
        waiting.delete(end)
        if (waiting.size === 0) {
          timer.cancel()
          this.#groups.delete(moment)
        }
        resolve()
      }
      waiting.add(end)
      stop.addEventListener('abort', end, { once: true })
    })
  }

  #groupOf(moment: number): Group {
    const known = this.#groups.get(moment)
    if (known !== undefined) return known
    const waiting = new Set<() => void>()
    const timer = this.#clock.after(moment - this.#clock.elapsed(), () => {
      for (const end of waiting) end()
    })
    const group = { waiting, timer }
    this.#groups.set(moment, group)
    return group
  }
}
