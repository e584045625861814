import type { Clock } from '../../util/clock.ts'
import { deferred } from '../../util/deferred.ts'

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
    const changed = deferred<void>()
    this.#waiting.add(changed.resolve)
    try {
      if (ms === undefined) return await changed.promise
      // sleep, not after: a Pod that only waits must keep the process alive.
      const passed = this.#clock.sleep(ms, timer.signal).catch(() => undefined)
      await Promise.race([changed.promise, passed])
    } finally {
      this.#waiting.delete(changed.resolve)
      timer.abort()
    }
  }
}
