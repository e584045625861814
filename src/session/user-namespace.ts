import { ownIdMaps } from '../linux/user-namespace.ts'
import { Failure } from '../util/failure.ts'
import { ownNamespace } from './own-namespace.ts'

/** Who is root here is not root of the machine (user_namespaces(7)). */
export function isInUserNamespace(): boolean {
  return ownIdMaps() !== undefined
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
  if (isInUserNamespace() && ownNamespace() === undefined)
    throw new Failure(
      'platform',
      'podfs run does not work in a user namespace: its containers would have no /proc',
      { fix: outside },
    )
}
