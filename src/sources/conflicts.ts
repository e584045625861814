import type { Store } from '../store/store.ts'
import type { Clock } from '../util/clock.ts'
import type { FindingsReport } from './findings-report.ts'

/** A conflict of two objects is believed when it lasts: an object may be moving. */
const conflictMs = 500

interface ConflictsOptions {
  readonly clock: Clock
  readonly store: Store
  readonly report: FindingsReport
  /** Whether it is this source that has the object. */
  readonly isOwn: (origin: string) => boolean
  /** An object may still be moving. */
  readonly isMoving?: () => boolean
}

/** Tells of the objects that a source has and something else has, too. */
export class Conflicts {
  readonly #options: ConflictsOptions
  #timer: { cancel(): void } | undefined

  constructor(options: ConflictsOptions) {
    this.#options = options
  }

  tell(): void {
    const { store, report, isOwn } = this.#options
    const own = store.conflicts().filter(({ origin }) => isOwn(origin))
    report.set(
      'conflicts',
      own.map(({ finding }) => finding),
    )
  }

  /** When something has changed, of those that last. */
  tellLater(): void {
    const { clock, isMoving } = this.#options
    this.#timer?.cancel()
    this.#timer = clock.after(conflictMs, () => {
      if (isMoving?.() === true) this.tellLater()
      else this.tell()
    })
  }

  close(): void {
    this.#timer?.cancel()
  }
}
