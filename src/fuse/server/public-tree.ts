/**
 * A tree whose root everybody sees: of an ordinary user's mount, which is at one place only. Who
 * may mount binds a directory of a private mount to where it is seen; here two names in the root,
 * which only the daemon finds, and which no listing has, stand for what a bind gives.
 *
 * - `..podfs` is where the daemon works: the root, or, where the root is one volume, a directory
 *   in which that volume is a link to the root. What else is in there nobody else sees. And when
 *   somebody has unmounted the mount, the name leads nowhere, not to the disk beneath.
 * - While `..unpublished` is there, the root is empty for everybody else, or, of a mount that takes
 *   the place of a lost one, as dead as that: what a program has seen must not look deleted. The
 *   daemon removes it through the mount, so that the kernel drops what it has listed.
 *
 * The kernel may not keep these names, nor any of a root that is unpublished: it asks anew, and the
 * server sees who wants to know. No key and no volume has a name that begins so.
 */
import { ENOTCONN, ErrnoError } from '../wire/errno.ts'
import { FUSE_ROOT_ID, S_IFDIR, S_IFLNK, type Time } from '../wire/protocol.ts'
import { type Owner, Tree } from './tree.ts'

export const PRIVATE_NAME = '..podfs'
export const UNPUBLISHED_NAME = '..unpublished'
/** Its mode says why: with the tree that survives the server. */
const UNPUBLISHED = S_IFDIR | 0o700
const UNPUBLISHED_AGAIN = S_IFDIR | 0o500

export interface PublicTreeOptions {
  /** What of the daemon's directory the root is; '' is all of it. */
  readonly subdirectory: string
  /** It takes the place of a lost one. */
  readonly again: boolean
}

export function publicTree(
  owner: Owner,
  time: Time,
  { subdirectory, again }: PublicTreeOptions,
): Tree {
  const tree = Tree.empty(owner, time)
  const link = (parent: number, name: string, target: string): void => {
    const mode = S_IFLNK | 0o777
    tree.create(parent, name, mode, owner, time, Buffer.from(target))
  }
  const directory = (name: string, mode: number): number =>
    tree.create(FUSE_ROOT_ID, name, mode, owner, time).id
  if (subdirectory === '') link(FUSE_ROOT_ID, PRIVATE_NAME, '.')
  else link(directory(PRIVATE_NAME, S_IFDIR | 0o700), subdirectory, '..')
  directory(UNPUBLISHED_NAME, again ? UNPUBLISHED_AGAIN : UNPUBLISHED)
  // What no listing has is not counted, either; the last one goes.
  tree.get(FUSE_ROOT_ID).nlink = 3
  return tree
}

export function isPublicTree(tree: Tree): boolean {
  return tree.lookup(FUSE_ROOT_ID, PRIVATE_NAME) !== undefined
}

export function isUnpublished(tree: Tree): boolean {
  return tree.lookup(FUSE_ROOT_ID, UNPUBLISHED_NAME) !== undefined
}

/** Throws what others than the daemon get of a root that takes the place of a lost one. */
export function refuseUnpublished(tree: Tree): void {
  const mark = tree.lookup(FUSE_ROOT_ID, UNPUBLISHED_NAME)
  if (mark?.mode === UNPUBLISHED_AGAIN) throw new ErrnoError(ENOTCONN)
}

/** Whether only the daemon finds a name that is in a directory, for now or for good. */
export function isDaemonsName(
  tree: Tree,
  parentId: number,
  name: string,
): boolean {
  return (
    parentId === FUSE_ROOT_ID && (isPrivateName(name) || isUnpublished(tree))
  )
}

/** Whether no listing of a directory has the name. */
export function isUnlisted(parentId: number, name: string): boolean {
  return parentId === FUSE_ROOT_ID && isPrivateName(name)
}

/**
 * Whether the daemon finds `..fill` there: in the root, and, where programs may watch that and hear
 * of each write, in the directory that only the daemon sees.
 */
export function hasFillFile(tree: Tree, directoryId: number): boolean {
  return (
    directoryId === FUSE_ROOT_ID ||
    directoryId === tree.lookup(FUSE_ROOT_ID, PRIVATE_NAME)?.id
  )
}

function isPrivateName(name: string): boolean {
  return name === PRIVATE_NAME || name === UNPUBLISHED_NAME
}
