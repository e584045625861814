/**
 * The FUSE wire format, versions 7.31 to 7.45: constants spelled and numbered as in the
 * kernel's include/uapi/linux/fuse.h, and the encoding of each structure that is used.
 * All fields are little-endian (x64 and arm64). 64-bit node ids, offsets and sizes are held
 * as JavaScript numbers: podfs gives out small ids. `unique` is never a number: its bit 63
 * (FUSE_UNIQUE_RESEND) does not survive one, so it is copied as two words.
 */
import type { Buffer as NodeBuffer } from 'node:buffer'

export const FUSE_KERNEL_VERSION = 7
/** The newest minor that this code was written against; Linux 6.18 and 7.2. */
export const FUSE_KERNEL_MINOR_VERSION = 45
/** Linux 5.4. Older kernels have no CACHE_SYMLINKS and other structure sizes. */
export const FUSE_OLDEST_MINOR_VERSION = 31
export const FUSE_ROOT_ID = 1

// INIT flags, bits 0 to 31 of the first word.
export const FUSE_ASYNC_READ = 1 << 0
export const FUSE_BIG_WRITES = 1 << 5
export const FUSE_DO_READDIRPLUS = 1 << 13
export const FUSE_READDIRPLUS_AUTO = 1 << 14
export const FUSE_NO_OPEN_SUPPORT = 1 << 17
export const FUSE_PARALLEL_DIROPS = 1 << 18
export const FUSE_MAX_PAGES = 1 << 22
export const FUSE_CACHE_SYMLINKS = 1 << 23
export const FUSE_NO_OPENDIR_SUPPORT = 1 << 24
export const FUSE_INIT_EXT = 1 << 30
// INIT flags of the second word (bit number - 32).
export const FUSE_NO_EXPORT_SUPPORT_2 = 1 << 6

export const FOPEN_KEEP_CACHE = 1 << 1
export const FOPEN_NOFLUSH = 1 << 5

export const FATTR_MODE = 1 << 0
export const FATTR_UID = 1 << 1
export const FATTR_GID = 1 << 2
export const FATTR_SIZE = 1 << 3
export const FATTR_ATIME = 1 << 4
export const FATTR_MTIME = 1 << 5
export const FATTR_ATIME_NOW = 1 << 7
export const FATTR_MTIME_NOW = 1 << 8
export const FATTR_CTIME = 1 << 10

const FUSE_NOTIFY_INVAL_INODE = 2
export const FUSE_NOTIFY_RESEND = 7
export const FUSE_NOTIFY_INC_EPOCH = 8

export const S_IFMT = 0o170000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000

export const FUSE_IN_HEADER_SIZE = 40
export const FUSE_OUT_HEADER_SIZE = 16
/** In one WRITE or READ; 32 pages, the kernel's classic limit. */
export const MAX_WRITE = 128 * 1024
/** The kernel refuses a read with less than 80 bytes beyond max_write (dev.c). */
export const REQUEST_BUFFER_SIZE = MAX_WRITE + 4096

export interface Time {
  readonly sec: number
  readonly nsec: number
}

export interface Attr {
  readonly ino: number
  readonly size: number
  readonly atime: Time
  readonly mtime: Time
  readonly ctime: Time
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
}

/** Exact up to 2^53, as is all that the server itself gives out; and no BigInt is made. */
export function readU64(data: DataView, at: number): number {
  const low = data.getUint32(at, true)
  const high = data.getUint32(at + 4, true)
  // A sum would be a float, for which V8 looks longer in a Map.
  return high === 0 ? low : low + high * 2 ** 32
}

export function readI64(data: DataView, at: number): number {
  return data.getUint32(at, true) + data.getInt32(at + 4, true) * 2 ** 32
}

/** Negative ones in two's complement. */
export function writeU64(data: DataView, value: number, at: number): void {
  data.setUint32(at, value, true)
  data.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

/** V8 reads and writes a number through it in an eighth of the time of a Buffer's methods. */
export function dataViewOf({
  buffer,
  byteOffset,
  length,
}: NodeBuffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

/** fuse_attr, 88 bytes. */
export const FUSE_ATTR_SIZE = 88

export function encodeAttr(attr: Attr, out: DataView, at: number): void {
  writeU64(out, attr.ino, at)
  writeU64(out, attr.size, at + 8)
  writeU64(out, Math.ceil(attr.size / 512), at + 16)
  writeU64(out, attr.atime.sec, at + 24)
  writeU64(out, attr.mtime.sec, at + 32)
  writeU64(out, attr.ctime.sec, at + 40)
  out.setUint32(at + 48, attr.atime.nsec, true)
  out.setUint32(at + 52, attr.mtime.nsec, true)
  out.setUint32(at + 56, attr.ctime.nsec, true)
  out.setUint32(at + 60, attr.mode, true)
  out.setUint32(at + 64, attr.nlink, true)
  out.setUint32(at + 68, attr.uid, true)
  out.setUint32(at + 72, attr.gid, true)
  out.setUint32(at + 80, 4096, true) // blksize
}

export function decodeAttr(data: DataView, at: number): Attr {
  return {
    ino: readU64(data, at),
    size: readU64(data, at + 8),
    atime: {
      sec: readI64(data, at + 24),
      nsec: data.getUint32(at + 48, true),
    },
    mtime: {
      sec: readI64(data, at + 32),
      nsec: data.getUint32(at + 52, true),
    },
    ctime: {
      sec: readI64(data, at + 40),
      nsec: data.getUint32(at + 56, true),
    },
    mode: data.getUint32(at + 60, true),
    nlink: data.getUint32(at + 64, true),
    uid: data.getUint32(at + 68, true),
    gid: data.getUint32(at + 72, true),
  }
}

/** fuse_entry_out, 128 bytes. Without `attr` it is a cached "no such name". */
export const FUSE_ENTRY_OUT_SIZE = 128

export function encodeEntryOut(
  attr: Attr | undefined,
  entryValidSeconds: number,
  attrValidSeconds: number,
  out: DataView,
  at: number,
): void {
  writeU64(out, attr?.ino ?? 0, at) // nodeid; podfs's inode numbers are its node ids
  writeU64(out, entryValidSeconds, at + 16)
  if (attr === undefined) return
  writeU64(out, attrValidSeconds, at + 24)
  encodeAttr(attr, out, at + 40)
}

/** fuse_attr_out, 104 bytes. */
export const FUSE_ATTR_OUT_SIZE = 104

export function encodeAttrOut(
  attr: Attr,
  validSeconds: number,
  out: DataView,
  at: number,
): void {
  writeU64(out, validSeconds, at)
  encodeAttr(attr, out, at + 16)
}

export interface Dirent {
  readonly ino: number
  /** The cookie with which the *next* READDIR starts. */
  readonly off: number
  readonly mode: number
  /** Bytes as latin1. */
  readonly name: string
}

/** A record is padded to 8 bytes. */
export function direntSize(name: string): number {
  return (24 + name.length + 7) & ~7
}

export function encodeDirent(
  dirent: Dirent,
  out: NodeBuffer,
  at: number,
): void {
  const data = dataViewOf(out)
  writeU64(data, dirent.ino, at)
  writeU64(data, dirent.off, at + 8)
  data.setUint32(at + 16, dirent.name.length, true)
  data.setUint32(at + 20, (dirent.mode & S_IFMT) >> 12, true) // DT_*
  out.write(dirent.name, at + 24, 'latin1')
}

export function decodeDirents(body: NodeBuffer): Dirent[] {
  const dirents: Dirent[] = []
  const data = dataViewOf(body)
  for (let at = 0; at + 24 <= body.length;) {
    const length = data.getUint32(at + 16, true)
    const name = body.toString('latin1', at + 24, at + 24 + length)
    dirents.push({
      ino: readU64(data, at),
      off: readU64(data, at + 8),
      mode: data.getUint32(at + 20, true) << 12,
      name,
    })
    at += direntSize(name)
  }
  return dirents
}

export interface SetattrIn {
  readonly valid: number
  readonly size: number
  readonly atime: Time
  readonly mtime: Time
  readonly ctime: Time
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export function decodeSetattrIn(body: NodeBuffer): SetattrIn {
  const data = dataViewOf(body)
  return {
    valid: data.getUint32(0, true),
    size: readU64(data, 16),
    atime: { sec: readI64(data, 32), nsec: data.getUint32(56, true) },
    mtime: { sec: readI64(data, 40), nsec: data.getUint32(60, true) },
    ctime: { sec: readI64(data, 48), nsec: data.getUint32(64, true) },
    mode: data.getUint32(68, true),
    uid: data.getUint32(76, true),
    gid: data.getUint32(80, true),
  }
}

export function decodeWriteIn(body: NodeBuffer): {
  offset: number
  data: NodeBuffer
} {
  const size = body.readUInt32LE(16)
  if (40 + size > body.length) throw new RangeError('WRITE: short data')
  const offset = readU64(dataViewOf(body), 8)
  return { offset, data: body.subarray(40, 40 + size) }
}

/** Calls `forget` for each pair of a node and how many references to it are given back. */
export function decodeBatchForget(
  body: NodeBuffer,
  forget: (nodeId: number, nlookup: number) => void,
): void {
  const data = dataViewOf(body)
  const count = data.getUint32(0, true)
  if (8 + count * 16 > body.length)
    throw new RangeError('BATCH_FORGET: short list')
  for (let at = 8; at < 8 + count * 16; at += 16)
    forget(readU64(data, at), readU64(data, at + 8))
}

/** A NUL-terminated name, its bytes as latin1; RangeError when there is no NUL. */
export function decodeName(body: NodeBuffer, at: number): string {
  const end = body.indexOf(0, at)
  if (end < 0) throw new RangeError('name without end')
  return body.toString('latin1', at, end)
}

export interface InitIn {
  readonly major: number
  readonly minor: number
  readonly maxReadahead: number
  readonly flags: number
  /** 0 from kernels before 7.36, whose INIT has 16 bytes. */
  readonly flags2: number
}

export function decodeInitIn(body: NodeBuffer): InitIn {
  return {
    major: body.readUInt32LE(0),
    minor: body.readUInt32LE(4),
    maxReadahead: body.readUInt32LE(8),
    flags: body.readInt32LE(12),
    flags2: body.length >= 20 ? body.readInt32LE(16) : 0,
  }
}

/** fuse_init_out, 64 bytes. */
export const FUSE_INIT_OUT_SIZE = 64

export function encodeInitOut(
  init: InitIn & { readonly maxWrite: number },
  out: NodeBuffer,
  at: number,
): void {
  out.writeUInt32LE(init.major, at)
  out.writeUInt32LE(init.minor, at + 4)
  out.writeUInt32LE(init.maxReadahead, at + 8)
  out.writeInt32LE(init.flags, at + 12)
  out.writeUInt32LE(init.maxWrite, at + 20)
  out.writeUInt32LE(1, at + 24) // time_gran: nanoseconds
  out.writeUInt16LE(init.maxWrite / 4096, at + 28) // max_pages
  out.writeInt32LE(init.flags2, at + 32)
}

/** A message to the kernel that answers nothing: unique 0, the code in place of the error. */
export function encodeNotification(code: number, bodySize = 0): NodeBuffer {
  const notification = Buffer.alloc(FUSE_OUT_HEADER_SIZE + bodySize)
  notification.writeUInt32LE(notification.length, 0)
  notification.writeInt32LE(code, 4)
  return notification
}

/**
 * INVAL_INODE. `data`: drop attributes and cached contents; it waits for a READ of that
 * node, so the thread that answers READs must not send it. Otherwise attributes only, which
 * never waits (docs/fuse.md#notifications).
 */
export function encodeInvalInode(nodeId: number, data: boolean): NodeBuffer {
  const notification = encodeNotification(FUSE_NOTIFY_INVAL_INODE, 24)
  const out = dataViewOf(notification)
  writeU64(out, nodeId, 16)
  writeU64(out, data ? 0 : -1, 24)
  return notification
}
