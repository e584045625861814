import type { Clock } from '../../src/util/clock.ts'

interface Timer {
  readonly at: number
  readonly fire: () => void
}

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #now: number
  #jumped = 0
  readonly #timers = new Set<Timer>()

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
  }

  now(): number {
    return this.#now + this.#jumped
  }

  elapsed(): number {
    return this.#now
  }

  /** Somebody sets the time of day: timers do not move. */
  jump(ms: number): void {
    this.#jumped += ms
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        timer.cancel()
        reject(
          Object.assign(new Error('The operation was aborted'), {
            name: 'AbortError',
            code: 'ABORT_ERR',
            cause: signal?.reason,
          }),
        )
      }
      const timer = this.after(ms, () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      })
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }

  after(ms: number, callback: () => void): { cancel(): void } {
    const timer = { at: this.#now + Math.max(ms, 0), fire: callback }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  /** How many timers and sleepers wait. */
  get pending(): number {
    return this.#timers.size
  }

  /**
   * Moves on, and fires what falls due on the way in its order and at its time; what that
   * sets going in promises gets its turn before the next.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ at }) => at <= end)
        .sort((one, other) => one.at - other.at)
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fire()
      await settle()
    }
    this.#now = end
  }
}

/** Lets promise callbacks that are due run, those that they make due too. */
function settle(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
