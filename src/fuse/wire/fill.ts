/**
 * `..fill`: all entries of a new directory with one request.
 *
 * A generation of a volume is a directory that is made, filled, and only then shown by a
 * rename. While nobody but the daemon has looked at such a directory, nobody can have a watch
 * in it, so nobody can tell whether its entries came one by one through the kernel, at half a
 * dozen requests each, or all at once. So the daemon writes them to the file `..fill` in the
 * mount's root (or in the directory of it that only the daemon finds: public-tree.ts), which no
 * listing has and which is no part of the tree:
 *
 *     length of the directory's path, the path from the mount's root; then for each entry
 *     length of its path, length of its data, mode with type, uid (all ones: the daemon's),
 *     its path below the directory, its data (of a link: the target)
 *
 * All of a request is done, or nothing: EBUSY when somebody else has looked at the directory.
 * Then the daemon makes the entries one by one, with their events.
 *
 * The server knows that nobody has looked only of directories that were made with one of two
 * modes (isUnseenMode): the kernel may not keep their names, and so asks at each look-up,
 * until one comes that is not the daemon's. By the same the server knows when such a
 * directory may be removed with all that is in it by one RMDIR.
 */
import type { Buffer as NodeBuffer } from 'node:buffer'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join, relative } from 'node:path'
import {
  UNSEEN_MODE,
  type FillDirectory,
  type NewEntry,
} from '../../util/new-entry.ts'
import { dataViewOf, MAX_WRITE } from './protocol.ts'
import { hasCode } from '../../util/error-code.ts'

export const FILL_NAME = '..fill'
/** No node of the tree ever has it; exact as a number. */
export const FILL_NODE_ID = Number.MAX_SAFE_INTEGER
/**
 * Whether a directory that is made with this mode is not seen until somebody else looks it up:
 * 0700, which nobody else may enter, or UNSEEN_MODE, which is 0755 for everybody from the first
 * moment.
 */
export function isUnseenMode(mode: number): boolean {
  return mode === 0o700 || mode === UNSEEN_MODE
}

export interface FillRequest {
  /** From the mount's root, as latin1. */
  readonly directory: string
  readonly entries: readonly (NewEntry & { readonly data: NodeBuffer })[]
}

const ENTRY_HEADER_SIZE = 16
const DAEMONS_UID = 0xffff_ffff
/** One WRITE; the buffer need not begin with a page, so that one page less is sure to fit. */
const LIMIT = MAX_WRITE - 4096

/** As many of the entries as fit into one request, in order. */
export function encodeFill(
  directory: string,
  entries: readonly NewEntry[],
): { data: NodeBuffer; count: number } {
  const name = Buffer.from(directory)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(name.length)
  const parts: Uint8Array[] = [head, name]
  let size = head.length + name.length
  let count = 0
  for (const { path, mode, uid, data } of entries) {
    const bytes = Buffer.from(path)
    size += ENTRY_HEADER_SIZE + bytes.length + data.length
    if (size > LIMIT) break
    const header = Buffer.alloc(ENTRY_HEADER_SIZE)
    header.writeUInt32LE(bytes.length, 0)
    header.writeUInt32LE(data.length, 4)
    header.writeUInt32LE(mode, 8)
    header.writeUInt32LE(uid ?? DAEMONS_UID, 12)
    parts.push(header, bytes, data)
    count++
  }
  return { data: Buffer.concat(parts), count }
}

/** Throws a RangeError when it is malformed. Data is copied: the request's memory is reused. */
export function decodeFill(data: NodeBuffer): FillRequest {
  const view = dataViewOf(data)
  let at = 0
  const take = (length: number): NodeBuffer => {
    if (at + length > data.length) throw new RangeError('fill: short data')
    at += length
    return data.subarray(at - length, at)
  }
  const word = (): number => {
    take(4)
    return view.getUint32(at - 4, true)
  }
  const directory = take(word()).toString('latin1')
  const entries: FillRequest['entries'][number][] = []
  while (at < data.length) {
    const [nameLength, dataLength, mode, uid] = [word(), word(), word(), word()]
    const path = take(nameLength).toString('latin1')
    entries.push({
      path,
      mode,
      ...(uid === DAEMONS_UID ? {} : { uid }),
      data: Buffer.from(take(dataLength)),
    })
  }
  return { directory, entries }
}

/** The daemon's end of `..fill`, for one mount. */
export class Filler {
  readonly #root: string
  readonly #path: string
  #file: Promise<FileHandle | undefined> | undefined

  /** How the daemon gets at the mount's root, and at the directory in which `..fill` is found. */
  constructor(root: string, directory = root) {
    this.#root = root
    this.#path = join(directory, FILL_NAME)
  }

  readonly fill: FillDirectory = async (directory, entries) => {
    const file = await (this.#file ??= this.#open().catch(error => {
      // No descriptor left, say: there may be one the next time.
      this.#file = undefined
      throw error
    }))
    if (file === undefined) return 0
    const path = relative(this.#root, directory)
    const { data, count } = encodeFill(path, entries)
    if (count === 0 || path === '..' || path.startsWith('../')) return 0
    try {
      await file.write(data, 0, data.length, 0)
      return count
    } catch (error) {
      // EEXIST: that one of the names is taken is to be told of that name.
      if (hasCode(error, 'EBUSY', 'EEXIST')) return 0
      throw error
    }
  }

  async close(): Promise<void> {
    const file = await this.#file
    this.#file = Promise.resolve(undefined)
    await file?.close()
  }

  /** undefined: the server is of a version before this file. */
  async #open(): Promise<FileHandle | undefined> {
    // Direct: what was written must not stay in the kernel's cache of this file.
    const flags = constants.O_WRONLY | constants.O_DIRECT
    try {
      return await open(this.#path, flags)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }
}
