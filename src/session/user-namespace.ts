import { outerUid, ownIdMaps } from '../linux/user-namespace.ts'
import type { BegunSkeleton } from '../runner/sandbox/host-skeleton.ts'
import type { Gateway } from '../runner/sandbox/network/network-provider.ts'
import { isWritable } from '../linux/is-writable.ts'

/** The namespaces that podfs has made for itself and entered: own-namespace.ts. */
export interface OwnNamespace {
  /** Of the user outside. */
  readonly uid: number
  readonly gid: number
  /** Why root's are the only ids; undefined: there are others. */
  readonly lack?: Lack
  /** Begun with them. */
  readonly skeleton?: BegunSkeleton
  /** There is a network namespace as well, from which this leads. */
  readonly gateway?: Gateway
}

export interface Lack {
  readonly why: string
  readonly fix: string
}

let own: OwnNamespace | undefined

/** Undefined for root, and where podfs has not entered any. */
export function ownNamespace(): OwnNamespace | undefined {
  return own
}

export function noteOwnNamespace(namespace: OwnNamespace): void {
  own = namespace
}

/** Who is root here is not root of the machine, and podfs has not seen to it (user_namespaces(7)). */
export function isInUserNamespace(): boolean {
  return ownIdMaps() !== undefined && own === undefined
}

/** What to do about something that only root of the machine may. */
export const outside =
  'start podfs as root of the machine, outside of this user namespace'

/**
 * The user whose places podfs has (`placesOf`). Root of a user namespace has root's where it may
 * write there, as in a container with a system of its own; else those of the user that it is
 * outside.
 */
export function uidOfPlaces(): number {
  const uid = own?.uid ?? process.getuid?.() ?? 0
  if (uid !== 0 || !isInUserNamespace()) return uid
  return ['/run', '/var/lib'].every(isWritable) ? 0 : (outerUid() ?? 0)
}
