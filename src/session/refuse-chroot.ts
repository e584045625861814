import { readlinkSync, statSync } from 'node:fs'
import { readMountinfo } from '../linux/mountinfo.ts'
import { Failure } from '../util/failure.ts'

/**
 * A container enters a mount namespace, and thereby that namespace's root: started in a plain
 * chroot, it would come out of it and run on the machine's real files.
 */
export function refuseChroot(): void {
  if (!isChrooted()) return
  throw new Failure(
    'platform',
    'podfs run does not work inside a chroot: its containers would leave it',
    {
      fix: 'enter the directory with pivot_root (as systemd-nspawn and bubblewrap do)',
    },
  )
}

function isChrooted(): boolean {
  // From inside a directory that is no mount point, the root's mount is out of sight.
  const mounts = readMountinfo()
  if (!mounts.some(({ mountpoint }) => mountpoint === '/')) return true
  try {
    const [own, first] = ['self', 1].map(pid =>
      readlinkSync(`/proc/${pid}/ns/mnt`),
    )
    if (own !== first) return false
    const here = statSync('/')
    const there = statSync('/proc/1/root/')
    return here.ino !== there.ino || here.dev !== there.dev
  } catch {
    // Process 1 is not ours to look at.
    return false
  }
}
