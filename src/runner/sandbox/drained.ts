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
  const ends = streams.map(stream =>
    finished(stream, { writable: false }).catch(() => undefined),
  )
  let timer: { cancel(): void } | undefined
  const late = new Promise<void>(resolve => {
    timer = clock.after(ms, resolve)
  })
  await Promise.race([Promise.all(ends), late])
  timer?.cancel()
}
