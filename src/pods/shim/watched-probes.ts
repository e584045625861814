import { Alarm } from '../../runner/lifecycle/probes/alarm.ts'
import {
  lookWhileWell,
  type WellProbe,
} from '../../runner/lifecycle/probes/lookout.ts'
import type { Clock } from '../../util/clock.ts'
import { inBackground } from '../../util/in-background.ts'
import { lookingMs, type ToShim } from './messages.ts'

/** The side of podfs: looks after the probes of one shim that are well (handed-probes.ts). */
export class WatchedProbes {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #send: (message: ToShim) => void
  readonly #watched = new Map<number, AbortController>()
  #saying: { cancel(): void } | undefined

  constructor(clock: Clock, send: (message: ToShim) => void) {
    this.#clock = clock
    this.#alarm = new Alarm(clock)
    this.#send = send
  }

  watch(probe: number, well: WellProbe): void {
    if (this.#watched.size === 0) this.#say()
    const stop = new AbortController()
    this.#watched.set(probe, stop)
    inBackground(this.#watch(probe, well, stop.signal))
  }

  leave(probe: number): void {
    this.#watched.get(probe)?.abort()
  }

  /** The shim is gone, or looks itself. */
  end(): void {
    for (const stop of this.#watched.values()) stop.abort()
  }

  async #watch(
    probe: number,
    well: WellProbe,
    stop: AbortSignal,
  ): Promise<void> {
    const parts = { clock: this.#clock, alarm: this.#alarm }
    const look = await lookWhileWell(well, parts, stop)
    this.#watched.delete(probe)
    if (this.#watched.size === 0) this.#saying?.cancel()
    if (look !== undefined) this.#send({ say: 'looked', probe, look })
  }

  #say(): void {
    this.#saying = this.#clock.after(lookingMs, () => {
      this.#send({ say: 'looking' })
      this.#say()
    })
  }
}
