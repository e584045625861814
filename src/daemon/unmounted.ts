import { mountAt } from '../fuse/mountinfo.ts'
import type { Clock } from '../util/clock.ts'

const lookMs = 1000

/**
 * Watches a mount point until `abort` fires. Resolves when it has looked once: only then may
 * anybody hear that it is ready, and unmount it. `unmounted` resolves with a reason when
 * somebody else has unmounted it; never where nothing is mounted (a plain directory).
 */
export async function watchMountpoint(
  mountpoint: string,
  clock: Clock,
  abort: AbortSignal,
): Promise<{ readonly unmounted: Promise<string> }> {
  const unmounted = (await isMounted(mountpoint))
    ? unmountedByOthers(mountpoint, clock, abort)
    : new Promise<never>(() => {})
  return { unmounted }
}

/** Two looks, because a mount that is replaced is not there for a moment. */
async function unmountedByOthers(
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
    return 'somebody else has unmounted it, or renamed a directory above it'
  } catch (error) {
    if (!abort.aborted) throw error
    return await new Promise<never>(() => {})
  }
}

/** What cannot be looked at, because no descriptor is left, is not known to be gone. */
async function isMounted(mountpoint: string): Promise<boolean> {
  try {
    return (await mountAt(mountpoint)) !== undefined
  } catch {
    return true
  }
}
