import { join } from 'node:path'
import { untilClosed } from '../../util/until-closed.ts'

/**
 * Resolves when the server of a runtime directory's mount that serves now has ended, whatever
 * comes after it; at once when none can be reached, and when `signal` aborts. It is no reason for
 * this process to live.
 */
export function serverGone(
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  return untilClosed(join(directory, 'control.sock'), signal)
}
