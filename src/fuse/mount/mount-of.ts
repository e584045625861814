import { join } from 'node:path'
import {
  isUsersMount,
  type Mount,
  readMountinfo,
} from '../../linux/mountinfo.ts'

/**
 * The mount of a runtime directory, RUNTIME/ID: at its `rw`. That of an ordinary user is where
 * everybody sees it, and has the runtime directory for a name; nobody else can make one that is
 * this user's.
 */
export async function mountOf(directory: string): Promise<Mount | undefined> {
  const rw = join(directory, 'rw')
  return readMountinfo().findLast(
    mount => mount.mountpoint === rw || isUsersMountOf(mount, directory),
  )
}

/** Whether fusermount3 has made it for a runtime directory of this user. */
export function isUsersMountOf(mount: Mount, directory: string): boolean {
  return mount.source === directory && isUsersMount(mount)
}
