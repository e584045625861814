import { readdirSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PROGRAMS } from '../keeper/keeper-words.ts'
import { type Mount, PODFS_TYPE, readMountinfo } from '../../linux/mountinfo.ts'
import { isUsersMountOf } from './mount-of.ts'
import { unmountPath } from '../../linux/unmount-path.ts'
import { sendSignal } from '../../linux/send-signal.ts'

/** What the keeper and its servers make in a runtime directory. */
const KEEPERS_FILES = [
  'control.sock',
  'adopt',
  'go',
  'alive',
  'said',
  'keeper.pid',
  'claim',
  'serving',
  PROGRAMS,
]

/**
 * Does what a keeper that was killed could not: ends its server, unmounts, removes the
 * runtime directory. Nothing to do after a keeper's own end.
 */
export async function cleanUpMount(
  directory: string,
  device: string | undefined,
  serverPid?: number,
): Promise<void> {
  // Not by a look at rw: of a dead mount it fails.
  if (!isListed(directory, 'rw')) return
  // Known from an open connection, so the number is that server's.
  if (serverPid !== undefined) sendSignal(serverPid, 'SIGKILL')
  for (const mount of mountsToEnd(directory, device, serverPid !== undefined))
    await unmountPath(mount.mountpoint, { lazy: true })
  // Never recursively: rmdir fails on what is still mounted, or is somebody else's.
  try {
    await rmdir(join(directory, 'rw'))
    for (const name of KEEPERS_FILES)
      await rm(join(directory, name), { force: true })
    await rmdir(directory)
  } catch {
    // Left for `podfs unmount`.
  }
}

/** Newest first. */
function mountsToEnd(
  directory: string,
  device: string | undefined,
  wasServed: boolean,
): Mount[] {
  const mounts = readMountinfo().toReversed()
  // An ordinary user's has its name, and no bind.
  const users = mounts.filter(mount => isUsersMountOf(mount, directory))
  if (users.length > 0 || process.getuid?.() !== 0) return users
  // The kernel gives the number of a device that is gone to the next mount, at once.
  const isOurs =
    wasServed ||
    mounts.some(
      mount =>
        mount.device === device && mount.mountpoint === join(directory, 'rw'),
    )
  return mounts.filter(
    mount => isOurs && mount.device === device && mount.type === PODFS_TYPE,
  )
}

function isListed(directory: string, name: string): boolean {
  try {
    return readdirSync(directory).includes(name)
  } catch {
    return false
  }
}
