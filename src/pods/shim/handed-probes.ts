import type { Look, WellProbe } from '../../runner/lifecycle/probes/lookout.ts'
import type { Clock } from '../../util/clock.ts'
import { type FromShim, lookingMs } from './messages.ts'

/** Longer than a podfs that looks is silent: one that is stopped, or hangs, does not look. */
const silenceMs = 2 * lookingMs + 10_000

/**
 * The side of the shim: the probes of its Pod that are well, and that the podfs at one connection
 * looks after. That one is awake anyway, while a shim that sleeps has left the processor's caches,
 * and often the memory.
 */
export class HandedProbes {
  readonly #clock: Clock
  readonly #send: (message: FromShim) => void
  readonly #handed = new Map<number, (look: Look | undefined) => void>()
  #last = 0
  #isSilent = false
  #silence: { cancel(): void } | undefined

  constructor(clock: Clock, send: (message: FromShim) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** A Lookout. */
  hand(
    well: WellProbe,
    stop: AbortSignal,
  ): Promise<Look | undefined> | undefined {
    if (this.#isSilent || stop.aborted) return undefined
    this.#last += 1
    const probe = this.#last
    this.#send({ say: 'look', probe, well })
    if (this.#handed.size === 0) this.#listen()
    return new Promise(resolve => {
      const leave = (): void => {
        this.#send({ say: 'leave', probe })
        end(undefined)
      }
      const end = (look: Look | undefined): void => {
        stop.removeEventListener('abort', leave)
        this.#handed.delete(probe)
        if (this.#handed.size === 0) this.#silence?.cancel()
        resolve(look)
      }
      stop.addEventListener('abort', leave, { once: true })
      this.#handed.set(probe, end)
    })
  }

  /** podfs says so; of a probe that it was told to leave it counts for nothing. */
  looked(probe: number, look: Look): void {
    this.#handed.get(probe)?.(look)
  }

  /** podfs says that it looks. */
  looking(): void {
    this.#isSilent = false
    if (this.#handed.size > 0) this.#listen()
  }

  /** podfs is gone. */
  end(): void {
    for (const end of this.#handed.values()) end(undefined)
  }

  #listen(): void {
    this.#silence?.cancel()
    this.#silence = this.#clock.after(silenceMs, () => {
      this.#isSilent = true
      for (const [probe, end] of this.#handed) {
        this.#send({ say: 'leave', probe })
        end(undefined)
      }
    })
  }
}
