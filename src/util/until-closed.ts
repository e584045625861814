import { connect } from 'node:net'

/**
 * Resolves when whoever listens at a socket now has gone; at once when nobody can be reached, and
 * when `signal` aborts. It is no reason for this process to live.
 */
export async function untilClosed(
  path: string,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return
  const socket = connect({ path, signal })
  socket.on('error', () => undefined) // `close` follows
  socket.unref()
  // What it says would hold back the end of it.
  socket.resume()
  // Not events.once, which rejects with the error.
  await new Promise<void>(resolve => socket.once('close', () => resolve()))
}
