/** Of a whole session; a volume of 1 MiB that changes all the time keeps its ten generations. */
const defaultBytes = 32 * 1024 * 1024

/**
 * What all volumes of a session may keep of their past, in bytes. When it is too much, those
 * go first that were superseded first, of whichever volume.
 */
export class HistoryBudget {
  readonly #limit: number
  readonly #held = new Map<() => void, number>()
  #bytes = 0

  constructor(limit = defaultBytes) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `forget` is called when the bytes are needed for newer ones; it must release itself. */
  hold(bytes: number, forget: () => void): void {
    this.#held.set(forget, bytes)
    this.#bytes += bytes
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#limit) break
      oldest()
    }
  }

  release(forget: () => void): void {
    this.#bytes -= this.#held.get(forget) ?? 0
    this.#held.delete(forget)
  }
}
