/**
 * One request in, exactly one reply out (none for what the kernel wants unanswered), without
 * a file descriptor. A handler never takes the mount down: an unknown operation is ENOSYS, a
 * malformed request or a bug is EIO and one log line.
 *
 * A mutation, in this order:
 *  (1) a resent request that was already done gets the reply it was owed;
 *  (2) only the daemon's threads may change anything, all others EROFS;
 *  (3) do it to the tree;
 *  (4) append it to the journal, before the reply exists for anybody else. A mutation that
 *      cannot be recorded has not happened: the tree is read back from the journal.
 */
import {
  EIO,
  EINVAL,
  ENOENT,
  ENOSPC,
  ENOSYS,
  ENOTCONN,
  EPERM,
  EPROTO,
  EROFS,
  ErrnoError,
} from './errno.ts'
import type { RecordedReply, ServerState } from './journal.ts'
import * as wire from './protocol.ts'
import type { InHeader, MutationName, QueryName, Time } from './protocol.ts'
import { Tree } from './tree.ts'

/**
 * How long the kernel may keep names and attributes: in effect for ever. Every change comes
 * through the mount, so the kernel sees it happen.
 */
const VALID_SECONDS = 365 * 86_400

/** Replies kept for resent requests. One thread serves, so one would do; a few are kept. */
const RECENT_REPLIES = 8

const O_ACCMODE = 0o3
const O_TRUNC = 0o1000

export interface DispatcherSettings {
  /** false: OPEN is ENOSYS, and the kernel opens and closes without asking again. */
  readonly answerOpens: boolean
  /** Asked for every mutation: a thread id is reused, an answer must not be kept. */
  readonly isDaemonThread: (tid: number) => boolean
  /** Once true, nothing is answered any more: what was invalidated must not come back. */
  readonly isStopping: () => boolean
  readonly now: () => Time
  readonly log: (message: string, fields: Record<string, unknown>) => void
  readonly onRequest?: (opcode: number) => void
}

export interface JournalSink {
  /** Throws when the record is not completely written. */
  append(time: Time, request: Buffer, reply: Buffer): void
  appendDrop(nodeId: number): void
  /** The state as the journal has it, after an append that failed. */
  reload(): ServerState
}

type Handler = (header: InHeader, body: Buffer, time: Time) => Buffer

export class Dispatcher {
  tree: Tree
  recent: RecordedReply[]
  readonly #settings: DispatcherSettings
  readonly #journal: JournalSink
  /**
   * How many references the kernel has to a node, since this server started. A restart
   * begins at 0, so a count may become negative.
   */
  readonly #lookups = new Map<number, number>()
  readonly #handlers: Record<QueryName | MutationName, Handler>

  constructor(
    state: ServerState,
    settings: DispatcherSettings,
    journal: JournalSink,
  ) {
    this.tree = new Tree(state)
    this.recent = [...state.recent]
    this.#settings = settings
    this.#journal = journal
    this.#handlers = {
      INIT: this.#init,
      LOOKUP: this.#lookup,
      GETATTR: this.#getattr,
      READLINK: this.#readlink,
      OPEN: this.#open,
      READ: this.#read,
      STATFS: this.#statfs,
      RELEASE: this.#nothing,
      READDIR: this.#readdir,
      RELEASEDIR: this.#nothing,
      DESTROY: this.#nothing,
      SETATTR: this.#setattr,
      SYMLINK: this.#symlink,
      MKNOD: this.#mknod,
      MKDIR: this.#mkdir,
      UNLINK: this.#unlink,
      RMDIR: this.#rmdir,
      RENAME: this.#rename,
      WRITE: this.#write,
    }
  }

  get state(): ServerState {
    const { nodes, nextId } = this.tree
    return { nodes, nextId, recent: this.recent }
  }

  /** `undefined`: the kernel expects no reply. */
  dispatch(request: Buffer): Buffer | undefined {
    // The kernel never sends less than a header; without one there is nobody to answer.
    if (request.length < wire.FUSE_IN_HEADER_SIZE) return undefined
    const header = wire.decodeInHeader(request)
    this.#settings.onRequest?.(header.opcode)
    const name = wire.operationNames.get(header.opcode)
    const kind = name === undefined ? 'ENOSYS' : wire.operations[name].kind
    try {
      if (kind === 'silent') {
        this.#forget(header, request.subarray(wire.FUSE_IN_HEADER_SIZE))
        return undefined
      }
      if (kind === 'ENOSYS') return wire.encodeReply(header.unique, ENOSYS)
      if (this.#settings.isStopping())
        return wire.encodeReply(header.unique, ENOTCONN)
      return kind === 'mutation'
        ? this.#mutate(header, request)
        : this.#run(name as QueryName, header, request, this.#settings.now())
    } catch (error) {
      if (kind === 'silent') return undefined
      if (!(error instanceof ErrnoError))
        this.#settings.log('request failed', {
          operation: name,
          error: String(error),
        })
      const errno = error instanceof ErrnoError ? error.errno : EIO
      return wire.encodeReply(header.unique, errno)
    }
  }

  /** Does again what the journal has; throws when the result is not what was recorded. */
  replay(time: Time, request: Buffer, recorded: Buffer): void {
    const header = wire.decodeInHeader(request)
    const name = wire.operationNames.get(header.opcode) as MutationName
    const reply = this.#run(name, header, request, time)
    if (!reply.equals(recorded))
      throw new Error(`journal: ${name} replayed with another result`)
    this.#remember(header, reply)
    // The count was the old server's.
    this.#lookups.clear()
  }

  /** Frees a node without a name that the kernel does not know (any more). */
  drop(nodeId: number): void {
    this.#journal.appendDrop(nodeId)
    this.replayDrop(nodeId)
  }

  replayDrop(nodeId: number): void {
    this.tree.drop(nodeId)
    this.#lookups.delete(nodeId)
  }

  #mutate(header: InHeader, request: Buffer): Buffer {
    const name = wire.operationNames.get(header.opcode) as MutationName
    // (1)
    if (isResent(header)) {
      const done = this.recent.find(({ unique }) => unique === key(header))
      if (done !== undefined) {
        const reply = Buffer.from(done.reply)
        header.unique.copy(reply, 8)
        return reply
      }
    }
    // (2)
    if (!this.#settings.isDaemonThread(header.tid))
      throw new ErrnoError(EROFS)
    // (3)
    const time = this.#settings.now()
    const reply = this.#run(name, header, request, time)
    // (4)
    try {
      this.#journal.append(time, request, reply)
    } catch (error) {
      this.#settings.log('journal: a change could not be recorded', {
        error: String(error),
      })
      const state = this.#journal.reload()
      this.tree = new Tree(state)
      this.recent = [...state.recent]
      throw new ErrnoError(ENOSPC)
    }
    this.#remember(header, reply)
    return reply
  }

  #run(
    name: QueryName | MutationName,
    header: InHeader,
    request: Buffer,
    time: Time,
  ): Buffer {
    const body = request.subarray(wire.FUSE_IN_HEADER_SIZE)
    return this.#handlers[name].call(this, header, body, time)
  }

  #remember(header: InHeader, reply: Buffer): void {
    this.recent.push({ unique: key(header), reply })
    if (this.recent.length > RECENT_REPLIES) this.recent.shift()
  }

  #forget(header: InHeader, body: Buffer): void {
    const { FORGET, BATCH_FORGET } = wire.operations
    if (header.opcode === FORGET.opcode)
      this.#forgetOne(header.nodeId, wire.decodeForget(body))
    if (header.opcode === BATCH_FORGET.opcode)
      for (const { nodeId, nlookup } of wire.decodeBatchForget(body))
        this.#forgetOne(nodeId, nlookup)
  }

  #forgetOne(nodeId: number, nlookup: number): void {
    if (!this.tree.nodes.has(nodeId)) return
    const left = (this.#lookups.get(nodeId) ?? 0) - nlookup
    this.#lookups.set(nodeId, left)
    if (left <= 0 && this.tree.isUnlinked(nodeId)) this.drop(nodeId)
  }

  #entry(header: InHeader, nodeId: number): Buffer {
    this.#lookups.set(nodeId, (this.#lookups.get(nodeId) ?? 0) + 1)
    const reply = wire.encodeReply(header.unique, 0, wire.FUSE_ENTRY_OUT_SIZE)
    const attr = this.tree.attr(this.tree.get(nodeId))
    wire.encodeEntryOut(attr, VALID_SECONDS, reply, 16)
    return reply
  }

  #attr(header: InHeader): Buffer {
    const reply = wire.encodeReply(header.unique, 0, wire.FUSE_ATTR_OUT_SIZE)
    const attr = this.tree.attr(this.tree.get(header.nodeId))
    wire.encodeAttrOut(attr, VALID_SECONDS, reply, 16)
    return reply
  }

  #bytes(header: InHeader, data: Buffer): Buffer {
    const reply = wire.encodeReply(header.unique, 0, data.length)
    data.copy(reply, 16)
    return reply
  }

  #nothing(header: InHeader): Buffer {
    return wire.encodeReply(header.unique, 0)
  }

  #init(header: InHeader, body: Buffer): Buffer {
    const init = wire.decodeInitIn(body)
    if (
      init.major !== wire.FUSE_KERNEL_VERSION ||
      init.minor < wire.FUSE_OLDEST_MINOR_VERSION
    )
      throw new ErrnoError(EPROTO)
    const wanted =
      wire.FUSE_ASYNC_READ |
      wire.FUSE_BIG_WRITES |
      wire.FUSE_NO_OPEN_SUPPORT |
      wire.FUSE_PARALLEL_DIROPS |
      wire.FUSE_MAX_PAGES |
      wire.FUSE_CACHE_SYMLINKS |
      wire.FUSE_NO_OPENDIR_SUPPORT |
      wire.FUSE_INIT_EXT
    const reply = wire.encodeReply(header.unique, 0, wire.FUSE_INIT_OUT_SIZE)
    wire.encodeInitOut(
      {
        major: wire.FUSE_KERNEL_VERSION,
        minor: Math.min(init.minor, wire.FUSE_KERNEL_MINOR_VERSION),
        maxReadahead: init.maxReadahead,
        flags: init.flags & wanted,
        flags2: init.flags2 & wire.FUSE_NO_EXPORT_SUPPORT_2,
        maxWrite: wire.MAX_WRITE,
      },
      reply,
      16,
    )
    return reply
  }

  #lookup(header: InHeader, body: Buffer): Buffer {
    const node = this.tree.lookup(header.nodeId, wire.decodeName(body, 0))
    if (node !== undefined) return this.#entry(header, node.id)
    // "No such name" is worth keeping too: a name only appears through the mount.
    const reply = wire.encodeReply(header.unique, 0, wire.FUSE_ENTRY_OUT_SIZE)
    wire.encodeEntryOut(undefined, VALID_SECONDS, reply, 16)
    return reply
  }

  #getattr(header: InHeader): Buffer {
    return this.#attr(header)
  }

  #readlink(header: InHeader): Buffer {
    const node = this.tree.file(header.nodeId)
    if ((node.mode & wire.S_IFMT) !== wire.S_IFLNK) throw new ErrnoError(EINVAL)
    return this.#bytes(header, node.data)
  }

  #open(header: InHeader, body: Buffer): Buffer {
    if (!this.#settings.answerOpens) throw new ErrnoError(ENOSYS)
    this.tree.get(header.nodeId)
    const flags = body.readUInt32LE(0)
    const writes = (flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0
    if (writes && !this.#settings.isDaemonThread(header.tid))
      throw new ErrnoError(EROFS)
    const reply = wire.encodeReply(header.unique, 0, 16)
    reply.writeUInt32LE(wire.FOPEN_KEEP_CACHE | wire.FOPEN_NOFLUSH, 16 + 8)
    return reply
  }

  #read(header: InHeader, body: Buffer): Buffer {
    const { offset, size } = wire.decodeReadIn(body)
    const { data } = this.tree.file(header.nodeId)
    const end = Math.min(offset + Math.min(size, wire.MAX_WRITE), data.length)
    return this.#bytes(header, data.subarray(Math.min(offset, end), end))
  }

  #readdir(header: InHeader, body: Buffer): Buffer {
    const { offset, size } = wire.decodeReadIn(body)
    const out = Buffer.alloc(Math.min(size, wire.MAX_WRITE))
    let at = 0
    for (const dirent of this.tree.readdir(header.nodeId, offset)) {
      if (at + wire.direntSize(dirent.name) > out.length) break
      wire.encodeDirent(dirent, out, at)
      at += wire.direntSize(dirent.name)
    }
    return this.#bytes(header, out.subarray(0, at))
  }

  #statfs(header: InHeader): Buffer {
    const reply = wire.encodeReply(header.unique, 0, 80)
    reply.writeBigUInt64LE(BigInt(this.tree.nodes.size), 16 + 24) // files
    reply.writeUInt32LE(4096, 16 + 40) // bsize
    reply.writeUInt32LE(255, 16 + 44) // namelen
    reply.writeUInt32LE(4096, 16 + 48) // frsize
    return reply
  }

  #setattr(header: InHeader, body: Buffer, time: Time): Buffer {
    const change = wire.decodeSetattrIn(body)
    const has = (bit: number): boolean => (change.valid & bit) !== 0
    const node = this.tree.get(header.nodeId)
    if (has(wire.FATTR_SIZE)) this.tree.truncate(node.id, change.size, time)
    if (has(wire.FATTR_MODE))
      node.mode = (node.mode & wire.S_IFMT) | (change.mode & 0o7777)
    if (has(wire.FATTR_UID)) node.uid = change.uid
    if (has(wire.FATTR_GID)) node.gid = change.gid
    if (has(wire.FATTR_ATIME))
      node.atime = has(wire.FATTR_ATIME_NOW) ? time : change.atime
    if (has(wire.FATTR_MTIME))
      node.mtime = has(wire.FATTR_MTIME_NOW) ? time : change.mtime
    node.ctime = has(wire.FATTR_CTIME) ? change.ctime : time
    return this.#attr(header)
  }

  #symlink(header: InHeader, body: Buffer, time: Time): Buffer {
    const name = wire.decodeName(body, 0)
    const target = wire.decodeName(body, name.length + 1)
    const node = this.tree.create(
      header.nodeId,
      name,
      wire.S_IFLNK | 0o777,
      header,
      time,
      Buffer.from(target, 'latin1'),
    )
    return this.#entry(header, node.id)
  }

  #mknod(header: InHeader, body: Buffer, time: Time): Buffer {
    const mode = body.readUInt32LE(0)
    const name = wire.decodeName(body, 16)
    // A volume holds files, directories and links; never a device, pipe or socket.
    if ((mode & wire.S_IFMT) !== wire.S_IFREG) throw new ErrnoError(EPERM)
    const node = this.tree.create(
      header.nodeId,
      name,
      wire.S_IFREG | (mode & 0o7777),
      header,
      time,
    )
    return this.#entry(header, node.id)
  }

  #mkdir(header: InHeader, body: Buffer, time: Time): Buffer {
    const mode = wire.S_IFDIR | (body.readUInt32LE(0) & 0o7777)
    const name = wire.decodeName(body, 8)
    const node = this.tree.create(header.nodeId, name, mode, header, time)
    return this.#entry(header, node.id)
  }

  #unlink(header: InHeader, body: Buffer, time: Time): Buffer {
    this.tree.remove(header.nodeId, wire.decodeName(body, 0), 'file', time)
    return this.#nothing(header)
  }

  #rmdir(header: InHeader, body: Buffer, time: Time): Buffer {
    this.tree.remove(header.nodeId, wire.decodeName(body, 0), 'directory', time)
    return this.#nothing(header)
  }

  #rename(header: InHeader, body: Buffer, time: Time): Buffer {
    const from = wire.decodeName(body, 8)
    const to = wire.decodeName(body, 8 + from.length + 1)
    if (from === '') throw new ErrnoError(ENOENT)
    const toDirectory = wire.decodeNodeId(body, 0)
    this.tree.rename(header.nodeId, from, toDirectory, to, time)
    return this.#nothing(header)
  }

  #write(header: InHeader, body: Buffer, time: Time): Buffer {
    const { offset, data } = wire.decodeWriteIn(body)
    this.tree.write(header.nodeId, offset, data, time)
    const reply = wire.encodeReply(header.unique, 0, 8)
    reply.writeUInt32LE(data.length, 16)
    return reply
  }
}

/** Bit 63 of `unique` (FUSE_UNIQUE_RESEND): the kernel does not know what became of it. */
function isResent(header: InHeader): boolean {
  return ((header.unique[7] ?? 0) & 0x80) !== 0
}

/** `unique` without that bit, as a string to compare. */
function key(header: InHeader): string {
  const bytes = Buffer.from(header.unique)
  bytes[7] = (bytes[7] ?? 0) & 0x7f
  return bytes.toString('hex')
}
