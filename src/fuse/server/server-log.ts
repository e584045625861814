import { writeSync } from 'node:fs'

/**
 * One JSON line on stderr, which the keeper hands on to the daemon. Synchronous: the serving
 * thread never yields. Nobody may be reading any more.
 */
export function serverLog(
  message: string,
  fields: Record<string, unknown>,
): void {
  try {
    writeSync(2, JSON.stringify({ ...fields, message }) + '\n')
  } catch {
    // EPIPE: the daemon is gone, and with it who would have read this.
  }
}
