import { setTimeout as delay } from 'node:timers/promises'

/**
 * The only door to time: what waits or asks for the time gets a Clock, so that a test can
 * hand it one whose hours pass at once.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number
  /** Milliseconds since some moment; goes on evenly when somebody sets the time of day. */
  elapsed(): number
  /** Resolves after `ms`; rejects with an AbortError when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls back once after `ms` unless cancelled; does not keep the process alive. */
  after(ms: number, callback: () => void): { cancel(): void }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
