import { mountAt } from '../linux/mountinfo.ts'
import { watchMountTable } from '../linux/watch-mount-table.ts'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'

/** A mount that is replaced is not there for a moment. */
const replacedMs = 1000

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

async function unmountedByOthers(
  mountpoint: string,
  clock: Clock,
  abort: AbortSignal,
): Promise<string> {
  await new Promise<void>(resolve => {
    let looking = false
    const look = async (): Promise<void> => {
      if (looking) return
      looking = true
      if (!(await isMounted(mountpoint))) {
        await clock.sleep(replacedMs, abort).catch(() => undefined)
        if (!abort.aborted && !(await isMounted(mountpoint))) resolve()
      }
      looking = false
    }
    const unwatch = watchMountTable(() => inBackground(look()))
    if (abort.aborted) unwatch()
    abort.addEventListener('abort', unwatch)
  })
  return 'somebody else has unmounted it, or renamed a directory above it'
}

/** What cannot be looked at, because no descriptor is left, is not known to be gone. */
async function isMounted(mountpoint: string): Promise<boolean> {
  try {
    return (await mountAt(mountpoint)) !== undefined
  } catch {
    return true
  }
}
