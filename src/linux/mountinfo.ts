import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { isWithin } from './is-within.ts'
import { outerUid } from './user-namespace.ts'

/** A line of /proc/PID/mountinfo, proc_pid_mountinfo(5). */
export interface Mount {
  readonly id: number
  /** Of the mount that this one is mounted on. */
  readonly parentId: number
  /** `MAJOR:MINOR`; of a FUSE mount, the minor is the number of its connection. */
  readonly device: string
  /** The directory of the file system that is mounted: `/` or what was bound. */
  readonly root: string
  readonly mountpoint: string
  /** Of this mount, not of the file system below it, such as `ro`. */
  readonly options: readonly string[]
  /** Whether what is mounted in it appears in other places too, or comes from one. */
  readonly propagation: 'shared' | 'slave' | 'private'
  readonly type: string
  readonly source: string
  /** Of the file system: of a cgroup v1 hierarchy, for one, its controllers. */
  readonly superOptions: readonly string[]
}

export const PODFS_TYPE = 'fuse.podfs'
/** What tells the backend dir's tmpfs from others; mount-keeper.sh mounts it. */
const TMPFS_SOURCE = 'podfs-volumes'

/** The kernel writes space, tab, newline and backslash as three octal digits. */
export function unescapeMountPath(field: string): string {
  if (!field.includes('\\')) return field
  // Bytes, so that an escape within a UTF-8 name does not break it.
  const bytes = Buffer.from(field, 'utf8')
    .toString('latin1')
    .replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

export function escapeMountPath(path: string): string {
  return path.replace(
    /[ \t\n\\]/g,
    char => '\\' + char.charCodeAt(0).toString(8).padStart(3, '0'),
  )
}

/** What is mounted is written like a path, but that a `#` is escaped, too (fs/proc_namespace.c). */
export function escapeMountSource(source: string): string {
  return escapeMountPath(source).replaceAll('#', String.raw`\043`)
}

/** In the order in which the kernel lists them: a later one may cover an earlier one. */
export function parseMountinfo(text: string): Mount[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const fields = line.split(' ')
      // A varying number of optional fields, then a lone hyphen.
      const separator = fields.indexOf('-', 6)
      const field = (at: number): string => fields[at] ?? ''
      return {
        id: Number(field(0)),
        parentId: Number(field(1)),
        device: field(2),
        root: unescapeMountPath(field(3)),
        mountpoint: unescapeMountPath(field(4)),
        options: field(5).split(','),
        propagation: propagationOf(fields.slice(6, separator)),
        type: field(separator + 1),
        source: unescapeMountPath(field(separator + 2)),
        superOptions: field(separator + 3).split(','),
      }
    })
}

function propagationOf(optional: readonly string[]): Mount['propagation'] {
  const has = (tag: string): boolean =>
    optional.some(field => field.startsWith(`${tag}:`))
  if (has('shared')) return 'shared'
  return has('master') ? 'slave' : 'private'
}

/** As a process sees them, this one by default. Throws when it has ended. */
export function readMountinfo(pid: number | 'self' = 'self'): Mount[] {
  return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))
}

/** A private one or a bind; the tmpfs of the backend dir counts as one. */
export function isPodfsMount({ type, source }: Mount): boolean {
  return type === PODFS_TYPE || (type === 'tmpfs' && source === TMPFS_SOURCE)
}

/**
 * Whether fusermount3 has made it for this user, here or outside of the user namespace in which
 * this process is: a mount has the numbers of the namespace in which it was made.
 */
export function isUsersMount({ type, superOptions }: Mount): boolean {
  if (type !== PODFS_TYPE) return false
  return [process.getuid?.(), outerUid()].some(uid =>
    superOptions.includes(`user_id=${uid}`),
  )
}

/** Every mount of podfs in this mount namespace. */
export async function podfsMounts(): Promise<Mount[]> {
  return readMountinfo().filter(isPodfsMount)
}

/** Mounts of any kind at a directory or below it. */
export async function mountsBelow(directory: string): Promise<Mount[]> {
  return readMountinfo().filter(({ mountpoint }) =>
    isWithin(mountpoint, directory),
  )
}

/** `MAJOR:MINOR` of the file system that an open directory is in; undefined of a dead one. */
export async function deviceOf(directory: string): Promise<string | undefined> {
  const { dev } = await stat(directory).catch(() => ({ dev: undefined }))
  // As the kernel's MAJOR and MINOR of a dev_t in user space: linux/kdev_t.h.
  return dev === undefined
    ? undefined
    : `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`
}

/** What is seen at a path: the last of the mounts stacked there. */
export async function mountAt(path: string): Promise<Mount | undefined> {
  return readMountinfo()
    .filter(({ mountpoint }) => mountpoint === path)
    .at(-1)
}
