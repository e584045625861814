import { connect } from 'node:net'
import { join } from 'node:path'

/**
 * Resolves when the server of a runtime directory's mount that serves now has ended, whatever
 * comes after it; at once when none can be reached, and when `signal` aborts. It is no reason for
 * this process to live.
 */
export async function serverGone(
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return
  const path = join(directory, 'control.sock')
  const socket = connect({ path, signal })
  socket.on('error', () => undefined) // `close` follows
  socket.unref()
  // What it says would hold back the end of it.
  socket.resume()
  // Not events.once, which rejects with the error.
  await new Promise<void>(resolve => socket.once('close', () => resolve()))
}
