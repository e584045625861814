/**
 * fsGroup: the volume belongs to a group, whose processes may read it (kubernetes
 * pkg/volume/volume_linux.go; docs/kubernetes.md#modes-and-fsgroup).
 */
import { type VolumeFileSystem } from './volume-tree.ts'
import { hasCode } from '../util/error-code.ts'

/** A managed volume is read-only in the container, so its group gets no write bit. */
export const FILE_BITS = 0o0440
export const DIRECTORY_BITS = 0o2550

export interface NewGeneration {
  readonly newTsDir: string
  /** What is in it was made as the group's. */
  readonly isContentDone: boolean
}

/**
 * Gives the whole volume to the group: not only what is new, the generation that is still
 * being read too, as the kubelet does. A watcher of the root sees ATTRIB for each entry.
 *
 * The kubelet walks in directory order, children first, which on its tmpfs is: the new
 * timestamped directory, the links, `..data`, the old directory, the root itself. Here the
 * order is made, so that it is the same on every file system.
 */
export async function applyFsGroup(
  fs: VolumeFileSystem,
  root: string,
  fsGroup: number,
  { newTsDir, isContentDone }: NewGeneration,
): Promise<void> {
  const rank = (name: string) => {
    if (name === newTsDir) return 0
    if (name === '..data') return 2
    return name.startsWith('..') ? 3 : 1
  }
  const entries = await fs.list(root)
  entries.sort((one, other) => rank(one.name) - rank(other.name))
  for (const { name } of entries)
    if (name === newTsDir && isContentDone)
      await giveToGroup(fs, `${root}/${name}`, fsGroup)
    else await giveTreeToGroup(fs, `${root}/${name}`, fsGroup)
  await giveToGroup(fs, root, fsGroup)
}

async function giveTreeToGroup(
  fs: VolumeFileSystem,
  path: string,
  fsGroup: number,
): Promise<void> {
  const stats = await fs.lstat(path)
  if (stats.isDirectory())
    for (const { name } of await fs.list(path))
      await giveTreeToGroup(fs, `${path}/${name}`, fsGroup)
  await giveToGroup(fs, path, fsGroup, stats)
}

async function giveToGroup(
  fs: VolumeFileSystem,
  path: string,
  fsGroup: number,
  known?: { mode: number; isDirectory(): boolean; isSymbolicLink(): boolean },
): Promise<void> {
  const stats = known ?? (await fs.lstat(path))
  await changeOwner(fs, path, -1, fsGroup)
  // A link has no mode of its own, and chmod would follow it.
  if (stats.isSymbolicLink()) return
  const bits = stats.isDirectory() ? DIRECTORY_BITS : FILE_BITS
  await fs.chmod(path, (stats.mode & 0o7777) | bits)
}

/**
 * An ordinary user may not give a file to another user, or to a group that is not his own. The
 * kubelet only logs such a failure of a group and goes on; the owner, who is the one that reads
 * it then, can read anyway.
 */
export async function changeOwner(
  fs: Pick<VolumeFileSystem, 'lchown'>,
  path: string,
  uid: number,
  gid: number,
): Promise<void> {
  try {
    await fs.lchown(path, uid, gid)
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error
  }
}
