import { setTimeout as delay } from 'node:timers/promises'

/**
 * The only door to time: what waits or asks for the time gets a Clock, so that a test can
 * hand it one whose hours pass at once.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number
  /**
   * Milliseconds since some moment, the same for all processes of a machine; goes on evenly when
   * somebody sets the time of day.
   */
  elapsed(): number
  /**
   * Resolves after `ms`, however long that is, and at once where the moment has passed;
   * rejects with an AbortError when `signal` aborts.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * Calls back once after `ms` unless cancelled, never before it returns; `ms` as above. Does
   * not keep the process alive.
   */
  after(ms: number, callback: () => void): { cancel(): void }
}

/**
 * The most that a timer of Node takes: it makes 1 ms of anything longer, and of anything
 * negative, with a warning on stderr.
 */
const maxTimerMs = 0x7fff_ffff

export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(), which begins with the process. CLOCK_MONOTONIC begins with the machine.
  elapsed() {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1000 + nanoseconds / 1e6
  },
  async sleep(ms, signal) {
    for (let left = ms; ; left -= maxTimerMs) {
      await delay(timerMs(left), undefined, { signal })
      if (left <= maxTimerMs) return
    }
  },
  after(ms, callback) {
    let timer: NodeJS.Timeout
    const wait = (left: number): void => {
      const fire = left <= maxTimerMs ? callback : () => wait(left - maxTimerMs)
      timer = setTimeout(fire, timerMs(left)).unref()
    }
    wait(ms)
    return { cancel: () => clearTimeout(timer) }
  },
}

function timerMs(left: number): number {
  return Math.min(Math.max(left, 0), maxTimerMs)
}
