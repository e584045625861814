import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { readMountinfo, type Mount } from './mountinfo.ts'

export type FileKind = 'directory' | 'file' | 'symlink' | 'other'

export interface HostEntry {
  readonly kind: FileKind
  /** Permission bits, the sticky and set-id bits included. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Files as seen from some root. */
export interface FileView {
  /** Absent: there is no such file, or it cannot be seen. */
  lstat(path: string): HostEntry | undefined
  readlink(path: string): string
  readdir(path: string): readonly string[]
}

/**
 * All that the plan of a root needs to know about the machine. The plan itself stays pure:
 * tests hand it a table.
 */
export interface HostView extends FileView {
  readonly mounts: readonly Mount[]
}

export function readHostView(): HostView {
  return { ...viewFrom('/'), mounts: readMountinfo() }
}

/** `root` may be /proc/PID/root: the files as that process sees them. */
export function viewFrom(root: string): FileView {
  // A plan looks at the same few hundred files again and again.
  const seen = new Map<string, HostEntry | undefined>()
  const look = (path: string): HostEntry | undefined => {
    try {
      const stats = lstatSync(join(root, path), { throwIfNoEntry: false })
      return stats === undefined ? undefined : toEntry(stats)
    } catch {
      return undefined
    }
  }
  return {
    lstat: path => {
      if (!seen.has(path)) seen.set(path, look(path))
      return seen.get(path)
    },
    readlink: path => readlinkSync(join(root, path)),
    readdir: path => readdirSync(join(root, path)),
  }
}

function toEntry(stats: Stats): HostEntry {
  return {
    kind: toKind(stats),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  }
}

function toKind(stats: Stats): FileKind {
  if (stats.isDirectory()) return 'directory'
  if (stats.isFile()) return 'file'
  return stats.isSymbolicLink() ? 'symlink' : 'other'
}
