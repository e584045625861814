import { mountAt } from '../fuse/mountinfo.ts'
import type { Clock } from '../util/clock.ts'

const lookMs = 1000

/**
 * Resolves with a reason when what is mounted at a mount point has been unmounted by somebody
 * else; never, when `abort` fires before. Two looks, because a mount that is replaced is not
 * there for a moment.
 */
export async function unmountedByOthers(
  mountpoint: string,
  clock: Clock,
  abort: AbortSignal,
): Promise<string> {
  try {
    let missed = 0
    while (missed < 2) {
      await clock.sleep(lookMs, abort)
      missed = (await isMounted(mountpoint)) ? 0 : missed + 1
    }
    return 'somebody else has unmounted it'
  } catch (error) {
    if (!abort.aborted) throw error
    return await new Promise<never>(() => {})
  }
}

/** What cannot be looked at, because no descriptor is left, is not known to be gone. */
export async function isMounted(mountpoint: string): Promise<boolean> {
  try {
    return (await mountAt(mountpoint)) !== undefined
  } catch {
    return true
  }
}
