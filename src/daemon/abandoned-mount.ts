import { rmdir } from 'node:fs/promises'
import {
  mountsBelow,
  PODFS_TYPE,
  podfsMounts,
  unmountPath,
} from '../fuse/mountinfo.ts'
import { stopAbandonedMount } from '../fuse/stop-abandoned-mount.ts'
import { clearPlainDirectory } from '../volumes/plain-directory.ts'
import { Failure } from '../util/failure.ts'
import { removeUnmounted, type FoundSession } from './runtime-directory.ts'

/**
 * Takes away what a killed `podfs mount` left: a mount that its keeper still serves, or one
 * that nobody serves, the mount point if it was made for it, and the run-time directory.
 */
export async function clearAbandoned(session: FoundSession): Promise<void> {
  const { mountpoint, directory } = session
  await stopAbandonedMount(session.mountDirectory ?? directory)
  // Its keeper may have been killed, too: then nobody else unmounts.
  for (const mount of (await mountsBelow(directory)).toReversed())
    if (mount.type === PODFS_TYPE)
      await unmountPath(mount.mountpoint, { lazy: true })
  // Its descriptors are gone, so it cannot be a mount.
  if ((await mountsBelow(directory)).length === 0)
    await clearPlainDirectory(directory)
  if (mountpoint !== undefined) {
    const isMounted = async (): Promise<boolean> =>
      (await podfsMounts()).some(mount => mount.mountpoint === mountpoint)
    if (await isMounted()) await unmountPath(mountpoint, { lazy: true })
    if (await isMounted())
      throw new Failure('failed', `${mountpoint} could not be unmounted`)
    if (session.madeMountpoint === true) await rmdir(mountpoint).catch(() => {})
  }
  await removeUnmounted(directory)
}
