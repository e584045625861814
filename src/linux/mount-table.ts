import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** One line of /proc/PID/mountinfo, as far as podfs asks (proc_pid_mountinfo(5)). */
export interface MountTableEntry {
  readonly id: number
  /** Of the mount that this one is mounted on. */
  readonly parentId: number
  /** Of the file system: `254:0`. */
  readonly device: string
  /** The directory of the file system that is mounted. */
  readonly root: string
  readonly point: string
  readonly type: string
  /** Of this mount, not of the file system below it. */
  readonly options: readonly string[]
}

/**
 * The file system type of every podfs mount. The tmpfs of its backend dir counts as one: the
 * source of that is `podfs-volumes`.
 */
export const podfsType = 'fuse.podfs'

/** As a process sees it, this one by default. Throws when it has ended. */
export function readMountTable(
  pid: number | 'self' = 'self',
): MountTableEntry[] {
  return parseMountTable(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))
}

/** In the order in which the kernel lists them: a later entry may cover an earlier one. */
export function parseMountTable(text: string): MountTableEntry[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const fields = line.split(' ')
      // Optional fields follow the sixth, as many as there are, up to a lone hyphen.
      const [fileSystem = '', source] = fields.slice(fields.indexOf('-', 6) + 1)
      return {
        id: Number(fields[0]),
        parentId: Number(fields[1]),
        device: fields[2] ?? '',
        root: unescapeOctal(fields[3] ?? ''),
        point: unescapeOctal(fields[4] ?? ''),
        type:
          fileSystem === 'tmpfs' && source === 'podfs-volumes'
            ? podfsType
            : fileSystem,
        options: (fields[5] ?? '').split(','),
      }
    })
}

/**
 * Whether no path leads to a mount any more, because another one lies over a directory above
 * it: an emptyDir at /tmp, and the mount is at /tmp/mnt of the host. Such a one cannot be
 * unmounted by path, either.
 */
export function isCovered(
  { id, point }: MountTableEntry,
  mounts: readonly MountTableEntry[],
): boolean {
  const byId = new Map(mounts.map(mount => [mount.id, mount]))
  const lineage = new Set<number>()
  for (let at = byId.get(id); at !== undefined && !lineage.has(at.id);) {
    lineage.add(at.id)
    at = byId.get(at.parentId)
  }
  return mounts.some(
    other =>
      point.startsWith(`${other.point}/`) &&
      !lineage.has(other.id) &&
      lineage.has(other.parentId),
  )
}

/**
 * Where else a directory of the host is: a mount of the same file system that shows what is
 * above it, or the directory itself. `path` holds no symbolic link.
 */
export function aliasesOf(
  path: string,
  mounts: readonly MountTableEntry[],
): string[] {
  const mount = mountOf(path, mounts)
  if (mount === undefined) return []
  const inside = join(mount.root, relative(mount.point, path))
  return mounts
    .filter(
      ({ id, device, root }) =>
        id !== mount.id && device === mount.device && isWithin(inside, root),
    )
    .map(({ root, point }) => join(point, relative(root, inside)))
    .filter(alias => alias !== path)
}

/** The mount in which a path lies; it holds no symbolic link. */
export function mountOf(
  path: string,
  mounts: readonly MountTableEntry[],
): MountTableEntry | undefined {
  let found: MountTableEntry | undefined
  for (const mount of mounts) {
    const isDeeper = mount.point.length >= (found?.point.length ?? 0)
    if (isDeeper && isWithin(path, mount.point)) found = mount
  }
  return found
}

/** Whether a path is a directory or lies in it. */
export function isWithin(path: string, directory: string): boolean {
  return (
    path === directory ||
    path.startsWith(directory.endsWith('/') ? directory : `${directory}/`)
  )
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
