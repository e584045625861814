import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Clock } from '../../util/clock.ts'

/**
 * Resolves when somebody has read the streams to their end, or after `ms`: a process that
 * was left in the background, or a reader who has gone, may keep the end from coming.
 */
export async function drained(
  streams: readonly Readable[],
  clock: Clock,
  ms: number,
): Promise<void> {
  await within(
    Promise.all(streams.map(stream => finished(stream, { writable: false }))),
    clock,
    ms,
  )
}

/** Resolves when the promise settles, or after `ms`. Never rejects. */
export async function within(
  promise: Promise<unknown>,
  clock: Clock,
  ms: number,
): Promise<void> {
  let timer: { cancel(): void } | undefined
  const late = new Promise<void>(resolve => {
    timer = clock.after(ms, resolve)
  })
  await Promise.race([promise.catch(() => undefined), late])
  timer?.cancel()
}
