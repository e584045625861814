import { join, relative } from 'node:path'
import { isWithin } from './is-within.ts'
import type { Mount } from './mountinfo.ts'

/**
 * Whether no path leads to a mount any more, because another one lies over a directory above
 * it: an emptyDir at /tmp, and the mount is at /tmp/mnt of the host. Such a one cannot be
 * unmounted by path, either.
 */
export function isCovered(
  { id, mountpoint }: Mount,
  mounts: readonly Mount[],
): boolean {
  const byId = new Map(mounts.map(mount => [mount.id, mount]))
  const lineage = new Set<number>()
  for (let at = byId.get(id); at !== undefined && !lineage.has(at.id);) {
    lineage.add(at.id)
    at = byId.get(at.parentId)
  }
  return mounts.some(
    other =>
      mountpoint.startsWith(`${other.mountpoint}/`) &&
      !lineage.has(other.id) &&
      lineage.has(other.parentId),
  )
}

/**
 * Where else a directory of the host is: a mount of the same file system that shows what is
 * above it, or the directory itself. `path` holds no symbolic link.
 */
export function aliasesOf(path: string, mounts: readonly Mount[]): string[] {
  const mount = mountOf(path, mounts)
  if (mount === undefined) return []
  const inside = join(mount.root, relative(mount.mountpoint, path))
  return mounts
    .filter(
      ({ id, device, root }) =>
        id !== mount.id && device === mount.device && isWithin(inside, root),
    )
    .map(({ root, mountpoint }) => join(mountpoint, relative(root, inside)))
    .filter(alias => alias !== path)
}

/** The mount in which a path lies; it holds no symbolic link. */
export function mountOf(
  path: string,
  mounts: readonly Mount[],
): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    const isDeeper = mount.mountpoint.length >= (found?.mountpoint.length ?? 0)
    if (isDeeper && isWithin(path, mount.mountpoint)) found = mount
  }
  return found
}
