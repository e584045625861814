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

/** Exact up to 2^53, as all that the server itself gives out; and no BigInt is made for it. */
export function readU64(buffer: NodeBuffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32
}

function readI64(buffer: NodeBuffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readInt32LE(at + 4) * 2 ** 32
}

/** Negative ones in two's complement. */
function writeU64(buffer: NodeBuffer, value: number, at: number): void {
  buffer.writeUInt32LE(value >>> 0, at)
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32) >>> 0, at + 4)
}

/** fuse_attr, 88 bytes. */
export const FUSE_ATTR_SIZE = 88

export function encodeAttr(attr: Attr, out: NodeBuffer, at: number): void {
  writeU64(out, attr.ino, at)
  writeU64(out, attr.size, at + 8)
  writeU64(out, Math.ceil(attr.size / 512), at + 16)
  writeU64(out, attr.atime.sec, at + 24)
  writeU64(out, attr.mtime.sec, at + 32)
  writeU64(out, attr.ctime.sec, at + 40)
  out.writeUInt32LE(attr.atime.nsec, at + 48)
  out.writeUInt32LE(attr.mtime.nsec, at + 52)
  out.writeUInt32LE(attr.ctime.nsec, at + 56)
  out.writeUInt32LE(attr.mode, at + 60)
  out.writeUInt32LE(attr.nlink, at + 64)
  out.writeUInt32LE(attr.uid, at + 68)
  out.writeUInt32LE(attr.gid, at + 72)
  out.writeUInt32LE(4096, at + 80) // blksize
}

export function decodeAttr(buffer: NodeBuffer, at: number): Attr {
  return {
    ino: readU64(buffer, at),
    size: readU64(buffer, at + 8),
    atime: {
      sec: readI64(buffer, at + 24),
      nsec: buffer.readUInt32LE(at + 48),
    },
    mtime: {
      sec: readI64(buffer, at + 32),
      nsec: buffer.readUInt32LE(at + 52),
    },
    ctime: {
      sec: readI64(buffer, at + 40),
      nsec: buffer.readUInt32LE(at + 56),
    },
    mode: buffer.readUInt32LE(at + 60),
    nlink: buffer.readUInt32LE(at + 64),
    uid: buffer.readUInt32LE(at + 68),
    gid: buffer.readUInt32LE(at + 72),
  }
}

/** fuse_entry_out, 128 bytes. Without `attr` it is a cached "no such name". */
export const FUSE_ENTRY_OUT_SIZE = 128

export function encodeEntryOut(
  attr: Attr | undefined,
  validSeconds: number,
  out: NodeBuffer,
  at: number,
): void {
  writeU64(out, attr?.ino ?? 0, at) // nodeid; podfs's inode numbers are its node ids
  writeU64(out, validSeconds, at + 16) // entry_valid
  if (attr === undefined) return
  writeU64(out, validSeconds, at + 24) // attr_valid
  encodeAttr(attr, out, at + 40)
}

/** fuse_attr_out, 104 bytes. */
export const FUSE_ATTR_OUT_SIZE = 104

export function encodeAttrOut(
  attr: Attr,
  validSeconds: number,
  out: NodeBuffer,
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
  writeU64(out, dirent.ino, at)
  writeU64(out, dirent.off, at + 8)
  out.writeUInt32LE(dirent.name.length, at + 16)
  out.writeUInt32LE((dirent.mode & S_IFMT) >> 12, at + 20) // DT_*
  out.write(dirent.name, at + 24, 'latin1')
}

export function decodeDirents(body: NodeBuffer): Dirent[] {
  const dirents: Dirent[] = []
  for (let at = 0; at + 24 <= body.length;) {
    const length = body.readUInt32LE(at + 16)
    const name = body.toString('latin1', at + 24, at + 24 + length)
    dirents.push({
      ino: readU64(body, at),
      off: readU64(body, at + 8),
      mode: body.readUInt32LE(at + 20) << 12,
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
  return {
    valid: body.readUInt32LE(0),
    size: readU64(body, 16),
    atime: { sec: readI64(body, 32), nsec: body.readUInt32LE(56) },
    mtime: { sec: readI64(body, 40), nsec: body.readUInt32LE(60) },
    ctime: { sec: readI64(body, 48), nsec: body.readUInt32LE(64) },
    mode: body.readUInt32LE(68),
    uid: body.readUInt32LE(76),
    gid: body.readUInt32LE(80),
  }
}

/** fuse_read_in, also of READDIR. */
export function decodeReadIn(body: NodeBuffer): {
  offset: number
  size: number
} {
  return { offset: readU64(body, 8), size: body.readUInt32LE(16) }
}

export function decodeWriteIn(body: NodeBuffer): {
  offset: number
  data: NodeBuffer
} {
  const size = body.readUInt32LE(16)
  if (40 + size > body.length) throw new RangeError('WRITE: short data')
  return { offset: readU64(body, 8), data: body.subarray(40, 40 + size) }
}

export function decodeForget(body: NodeBuffer): number {
  return readU64(body, 0)
}

/** Calls `forget` for each pair of a node and how many references to it are given back. */
export function decodeBatchForget(
  body: NodeBuffer,
  forget: (nodeId: number, nlookup: number) => void,
): void {
  const count = body.readUInt32LE(0)
  if (8 + count * 16 > body.length)
    throw new RangeError('BATCH_FORGET: short list')
  for (let at = 8; at < 8 + count * 16; at += 16)
    forget(readU64(body, at), readU64(body, at + 8))
}

export function decodeNodeId(body: NodeBuffer, at: number): number {
  return readU64(body, at)
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
 * never waits (fuse.md, section 2).
 */
export function encodeInvalInode(nodeId: number, data: boolean): NodeBuffer {
  const notification = encodeNotification(FUSE_NOTIFY_INVAL_INODE, 24)
  writeU64(notification, nodeId, 16)
  writeU64(notification, data ? 0 : -1, 24)
  return notification
}
