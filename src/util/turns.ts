/** Lets so many tasks run at a time; the others wait for their turn, first come first served. */
export class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(atATime: number) {
    this.#free = atATime
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }

  /** For a task that has a turn: lets all who wait go first. */
  async pass(): Promise<void> {
    const next = this.#waiting.shift()
    if (next === undefined) return
    const turn = new Promise<void>(resolve => this.#waiting.push(resolve))
    next()
    await turn
  }
}
