import type { Clock } from '../../util/clock.ts'

/**
 * "Something has changed, look again." A waiter names the version it has looked at, so a
 * change between its look and its wait is never lost.
 */
export class ChangeSignal {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #version = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get version(): number {
    return this.#version
  }

  notify(): void {
    this.#version++
    for (const resume of this.#waiting) resume()
  }

  /** Resolves at the first change after `seen`, at the latest `ms` later. */
  async wait(seen: number, ms?: number): Promise<void> {
    if (this.#version !== seen) return
    const timer = new AbortController()
    let resume = (): void => undefined
    const changed = new Promise<void>(resolve => (resume = resolve))
    this.#waiting.add(resume)
    try {
      if (ms === undefined) return await changed
      // sleep, not after: a Pod that only waits must keep the process alive.
      const passed = this.#clock.sleep(ms, timer.signal).catch(() => undefined)
      await Promise.race([changed, passed])
    } finally {
      this.#waiting.delete(resume)
      timer.abort()
    }
  }
}
