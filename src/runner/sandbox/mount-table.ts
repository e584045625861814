/** One line of /proc/PID/mountinfo, as far as podfs asks (proc_pid_mountinfo(5)). */
export interface MountTableEntry {
  readonly id: number
  /** Of the mount that this one is mounted on. */
  readonly parentId: number
  readonly point: string
  readonly type: string
  /** Of this mount, not of the file system below it. */
  readonly readOnly: boolean
}

/**
 * The file system type of every podfs mount. The tmpfs of its backend dir counts as one: the
 * source of that is `podfs-volumes`.
 */
export const podfsType = 'fuse.podfs'

/** In the order in which the kernel lists them: a later entry may cover an earlier one. */
export function parseMountTable(text: string): MountTableEntry[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const fields = line.split(' ')
      // Optional fields follow the sixth, as many as there are, up to a lone hyphen.
      const [fileSystem = '', source] = fields.slice(fields.indexOf('-', 6) + 1)
      const options = (fields[5] ?? '').split(',')
      return {
        id: Number(fields[0]),
        parentId: Number(fields[1]),
        point: unescapeOctal(fields[4] ?? ''),
        type:
          fileSystem === 'tmpfs' && source === 'podfs-volumes'
            ? podfsType
            : fileSystem,
        readOnly: options.includes('ro'),
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

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
}
