/**
 * What the AtomicWriter makes, as entries that a file system may be given all at once.
 */
import { constants } from 'node:fs'
import type { NewEntry } from '../util/new-entry.ts'
import { DIRECTORY_BITS, FILE_BITS } from './fs-group.ts'
import { parentsOf, type CleanPayload } from './payload-path.ts'

const noData = Buffer.alloc(0)

/** What a generation holds: its directories, then its files, as fsGroup will have them. */
export function entriesOf(
  payload: CleanPayload,
  fsGroup: number | undefined,
): readonly NewEntry[] {
  const directories = new Set([...payload.keys()].flatMap(parentsOf))
  const bits = fsGroup === undefined ? 0 : FILE_BITS
  return [
    ...[...directories].map(path => directoryEntry(path, fsGroup)),
    ...[...payload].map(([path, { data, mode, fsUser }]) => ({
      path,
      mode: constants.S_IFREG | mode | bits,
      ...(fsUser === undefined ? {} : { uid: fsUser }),
      data,
    })),
  ]
}

export function directoryEntry(
  path: string,
  fsGroup: number | undefined,
): NewEntry {
  const bits = fsGroup === undefined ? 0 : DIRECTORY_BITS
  return { path, mode: constants.S_IFDIR | 0o755 | bits, data: noData }
}

export function linkEntry(path: string, target: string): NewEntry {
  return { path, mode: constants.S_IFLNK | 0o777, data: Buffer.from(target) }
}

export function isDirectory({ mode }: NewEntry): boolean {
  return (mode & constants.S_IFMT) === constants.S_IFDIR
}
