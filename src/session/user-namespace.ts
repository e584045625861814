import { readFileSync } from 'node:fs'
import { Failure } from '../util/failure.ts'

/** Who is root here is not root of the machine (user_namespaces(7)). */
export function isInUserNamespace(): boolean {
  try {
    const map = readFileSync('/proc/self/uid_map', 'utf8')
    return map.trim().split(/\s+/).join(' ') !== '0 0 4294967295'
  } catch {
    // A kernel without user namespaces.
    return false
  }
}

/** What to do about something that only root of the machine may. */
export const outside =
  'start podfs as root of the machine, outside of this user namespace'

/**
 * There, the kernel mounts a /proc only beside one that is there already, which a container's
 * root has not ("VFS: Mount too revealing", fs/namespace.c), and an overlay without trusted
 * attributes. Each container would fail, again and again.
 */
export function refuseUserNamespace(): void {
  if (isInUserNamespace())
    throw new Failure(
      'platform',
      'podfs run does not work in a user namespace: its containers would have no /proc',
      { fix: outside },
    )
}
