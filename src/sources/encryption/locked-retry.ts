import type { Clock } from '../../util/clock.ts'
import type { AgeIdentities } from './age-identities.ts'
import { inBackground } from '../../util/in-background.ts'

/** How often a key file is looked at, while something waits for one. */
const lookMs = 1000

/** Tries again to read what no key has opened, when there are other keys. */
export class LockedRetry {
  readonly #clock: Clock
  readonly #identities: AgeIdentities
  readonly #retry: () => void
  #timer: { cancel(): void } | undefined

  constructor(clock: Clock, identities: AgeIdentities, retry: () => void) {
    this.#clock = clock
    this.#identities = identities
    this.#retry = retry
  }

  /** After each reading: the version of the keys that did not open it, if any. */
  set(locked: string | undefined): void {
    this.close()
    if (locked === undefined) return
    const timer = this.#clock.after(lookMs, () => {
      inBackground(this.#look(locked, () => this.#timer === timer))
    })
    this.#timer = timer
  }

  async #look(locked: string, isWanted: () => boolean): Promise<void> {
    const version = await this.#identities.version()
    if (!isWanted()) return
    if (version === locked) this.set(locked)
    else this.#retry()
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
