import type { Readable, Writable } from 'node:stream'
import { writableAgain } from '../util/writable-again.ts'
import type { Wire } from './wire.ts'

/** All of a stream. Each chunk waits for the one before: what is read is what can be sent. */
export async function copied(
  from: Readable | undefined,
  wire: Wire,
  channel: number,
): Promise<void> {
  if (from === undefined) return
  try {
    // What can be read to its end may still be written to.
    for await (const chunk of from.iterator({ destroyOnReturn: false }))
      await wire.send(channel, chunk as Buffer)
  } catch {
    // A stream that breaks has ended, too.
  }
}

/** A message to a stream. Resolves when there is room for more; at once when nobody reads it any more. */
export function written(
  to: Writable | undefined,
  bytes: Buffer,
): Promise<void> | undefined {
  if (to === undefined || to.destroyed || to.writableEnded) return undefined
  // A copy: it is a view of what was read.
  return to.write(Buffer.from(bytes)) ? undefined : writableAgain(to)
}
