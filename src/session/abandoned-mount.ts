import { rmdir } from 'node:fs/promises'
import { isDeadMount } from '../fuse/mount/is-dead-mount.ts'
import {
  mountAt,
  mountsBelow,
  PODFS_TYPE,
  podfsMounts,
} from '../linux/mountinfo.ts'
import { unmountPath } from '../linux/unmount-path.ts'
import { clearPlainDirectory } from '../volumes/plain-directory.ts'
import { Failure } from '../util/failure.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { shellWord } from '../util/shell-word.ts'
import { clearPods, removeUnmounted } from './clear-pods.ts'
import type { FoundSession } from './session-file.ts'
import { clearMounts } from './session-mounts.ts'
import { endShims } from './find-shims.ts'

/**
 * Takes away what a killed `podfs mount` or `serve` left: Pods, which end as their deletion
 * does, a mount that its keeper still serves, or one that nobody serves, the mount point if it
 * was made for it, and the run-time directory.
 */
export async function clearAbandoned(
  session: FoundSession,
  clock: Clock,
): Promise<void> {
  const { mountpoint, directory } = session
  await endShims(directory, clock)
  await clearMounts(directory)
  await clearPods(directory)
  // Its keeper may have been killed, too: then nobody else unmounts.
  for (const mount of (await mountsBelow(directory)).toReversed())
    if (mount.type === PODFS_TYPE)
      await unmountPath(mount.mountpoint, { lazy: true })
  // Its descriptors are gone, so it cannot be a mount.
  if ((await mountsBelow(directory)).length === 0)
    await clearPlainDirectory(directory)
  if (mountpoint !== undefined) {
    await unmountPodfs(mountpoint)
    if (session.madeMountpoint === true) await rmdir(mountpoint).catch(() => {})
  }
  await removeUnmounted(directory)
}

/** Takes away every mount of podfs at a path, however many are stacked there. */
export async function unmountPodfs(mountpoint: string): Promise<void> {
  const count = async (): Promise<number> =>
    (await podfsMounts()).filter(mount => mount.mountpoint === mountpoint)
      .length
  for (let left = await count(); left > 0;) {
    await unmountPath(mountpoint, { lazy: true })
    const now = await count()
    if (now >= left)
      throw new Failure('failed', `${mountpoint} could not be unmounted`)
    left = now
  }
}

/**
 * Takes away what is mounted at a path and has lost its server, when it is podfs's; for the
 * sessions whose run-time directory is gone, too. Throws when it is another's.
 */
export async function clearDeadMount(
  mountpoint: string,
  logger: Logger,
): Promise<void> {
  const mount = await mountAt(mountpoint)
  if (mount === undefined || !(await isDeadMount(mountpoint))) return
  if (mount.type !== PODFS_TYPE)
    throw new Failure(
      'failed',
      `${mountpoint} is a dead mount that is not podfs's: ${mount.source}, type ${mount.type}`,
      { fix: `umount --lazy ${shellWord(mountpoint)}` },
    )
  logger.warn({ mountpoint }, 'a dead mount is here; it is cleared away')
  await unmountPodfs(mountpoint)
}
