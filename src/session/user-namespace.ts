import { ownIdMaps } from '../linux/user-namespace.ts'

/** Who is root here is not root of the machine (user_namespaces(7)). */
export function isInUserNamespace(): boolean {
  return ownIdMaps() !== undefined
}

/** What to do about something that only root of the machine may. */
export const outside =
  'start podfs as root of the machine, outside of this user namespace'
