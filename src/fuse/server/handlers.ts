/**
 * What each operation does to the tree, and its reply. A handler decodes all of its request
 * before it changes anything: a malformed one must not leave half a change.
 */
import {
  EBUSY,
  EINVAL,
  ENOENT,
  ENOSYS,
  EPERM,
  EPROTO,
  EROFS,
  ErrnoError,
} from '../wire/errno.ts'
import type { Call } from './call.ts'
import {
  decodeFill,
  FILL_NAME,
  FILL_NODE_ID,
  isUnseenMode,
} from '../wire/fill.ts'
import type { MutationName, QueryName } from '../wire/operations.ts'
import * as wire from '../wire/protocol.ts'
import {
  isDaemonsName,
  hasFillFile,
  isUnlisted,
  isUnpublished,
  refuseUnpublished,
  isPublicTree,
} from './public-tree.ts'
import type { Tree } from './tree.ts'

/**
 * How long the kernel may keep names and attributes: in effect for ever. Every change comes
 * through the mount, so the kernel sees it happen.
 */
const VALID_SECONDS = 365 * 86_400

const O_ACCMODE = 0o3
const O_TRUNC = 0o1000

export const handlers: Record<
  QueryName | MutationName,
  (call: Call) => Buffer
> = {
  INIT: init,
  LOOKUP: lookup,
  GETATTR: attributes,
  READLINK: readlink,
  OPEN: open,
  OPENDIR: opendir,
  READ: read,
  STATFS: statfs,
  RELEASE: nothing,
  READDIR: readdir,
  READDIRPLUS: readdirplus,
  RELEASEDIR: nothing,
  DESTROY: nothing,
  SETATTR: setattr,
  SYMLINK: symlink,
  MKNOD: mknod,
  MKDIR: mkdir,
  UNLINK: unlink,
  RMDIR: rmdir,
  RENAME: rename,
  WRITE: write,
}

function entry(call: Call, nodeId: number, name: string): Buffer {
  const reply = call.reply(wire.FUSE_ENTRY_OUT_SIZE)
  giveNode(call, nodeId, name, call.out, 16)
  return reply
}

/**
 * Writes the entry of a node in the directory that the call is about, with which the kernel has one
 * reference more to it.
 */
function giveNode(
  call: Call,
  nodeId: number,
  name: string,
  out: DataView,
  at: number,
): void {
  const { tree, unseen } = call
  call.references.add(nodeId)
  const attr = tree.attr(tree.get(nodeId))
  const isKept = !unseen.has(nodeId) && !isDaemonsName(tree, call.nodeId, name)
  const nameValidSeconds = isKept ? VALID_SECONDS : 0
  wire.encodeEntryOut(attr, nameValidSeconds, VALID_SECONDS, out, at)
}

/** Somebody asks for a node by its name, or with all others of its directory. */
function look(call: Call, nodeId: number): void {
  const { unseen } = call
  if (unseen.has(nodeId) && !call.isDaemonThread(call.tid))
    unseen.delete(nodeId)
}

function attributes(call: Call): Buffer {
  const { tree } = call
  const reply = call.reply(wire.FUSE_ATTR_OUT_SIZE)
  const attr =
    call.nodeId === FILL_NODE_ID
      ? fillFile(tree)
      : tree.attr(tree.get(call.nodeId))
  wire.encodeAttrOut(attr, VALID_SECONDS, call.out, 16)
  return reply
}

function nothing(call: Call): Buffer {
  return call.reply()
}

function init(call: Call): Buffer {
  const { body } = call
  const init = wire.decodeInitIn(body)
  if (
    init.major !== wire.FUSE_KERNEL_VERSION ||
    init.minor < wire.FUSE_OLDEST_MINOR_VERSION
  )
    throw new ErrnoError(EPROTO)
  const wanted =
    wire.FUSE_ASYNC_READ |
    wire.FUSE_BIG_WRITES |
    wire.FUSE_DO_READDIRPLUS |
    wire.FUSE_READDIRPLUS_AUTO |
    wire.FUSE_NO_OPEN_SUPPORT |
    wire.FUSE_PARALLEL_DIROPS |
    wire.FUSE_MAX_PAGES |
    wire.FUSE_CACHE_SYMLINKS |
    wire.FUSE_NO_OPENDIR_SUPPORT |
    wire.FUSE_INIT_EXT
  const reply = call.reply(wire.FUSE_INIT_OUT_SIZE)
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

function lookup(call: Call): Buffer {
  const { tree, unseen } = call
  const name = call.name(0)
  const isDaemons = isDaemonsName(tree, call.nodeId, name)
  // Not a missing entry, which the kernel would keep.
  if (isDaemons && !call.isDaemonThread(call.tid)) {
    refuseUnpublished(tree)
    throw new ErrnoError(ENOENT)
  }
  const node = tree.lookup(call.nodeId, name)
  if (node !== undefined) {
    look(call, node.id)
    return entry(call, node.id, name)
  }
  const reply = call.reply(wire.FUSE_ENTRY_OUT_SIZE)
  if (name === FILL_NAME && hasFillFile(tree, call.nodeId)) {
    const attr = call.isDaemonThread(call.tid) ? fillFile(tree) : undefined
    wire.encodeEntryOut(attr, 0, VALID_SECONDS, call.out, 16)
  } else {
    // "No such name" is worth keeping too: a name only appears through the mount, but where
    // the kernel is not asked to make it.
    const isKept = !unseen.has(call.nodeId) && !isDaemons
    const validSeconds = isKept ? VALID_SECONDS : 0
    wire.encodeEntryOut(undefined, validSeconds, 0, call.out, 16)
  }
  return reply
}

/** See fill.ts. */
function fillFile(tree: Tree): wire.Attr {
  const root = tree.attr(tree.get(wire.FUSE_ROOT_ID))
  return {
    ...root,
    ino: FILL_NODE_ID,
    mode: wire.S_IFREG | 0o200,
    nlink: 1,
    size: 0,
  }
}

function readlink(call: Call): Buffer {
  const { tree } = call
  const node = tree.file(call.nodeId)
  if ((node.mode & wire.S_IFMT) !== wire.S_IFLNK) throw new ErrnoError(EINVAL)
  return call.replyWith(node.data)
}

function open(call: Call): Buffer {
  if (!call.answerOpens) throw new ErrnoError(ENOSYS)
  if (call.nodeId !== FILL_NODE_ID) call.tree.get(call.nodeId)
  const flags = call.word(0)
  const writes = (flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0
  if (writes && !call.isDaemonThread(call.tid)) throw new ErrnoError(EROFS)
  const reply = call.reply(16)
  call.out.setUint32(16 + 8, wire.FOPEN_KEEP_CACHE | wire.FOPEN_NOFLUSH, true)
  return reply
}

/** What is listed of a root that is unpublished is not the same for all, and not kept. */
function opendir(call: Call): Buffer {
  if (!isUnpublished(call.tree)) throw new ErrnoError(ENOSYS)
  return call.reply(16)
}

function read(call: Call): Buffer {
  const { tree } = call
  const offset = call.long(8)
  const size = call.word(16)
  const { data } = tree.file(call.nodeId)
  const end = Math.min(offset + Math.min(size, wire.MAX_WRITE), data.length)
  return call.replyWith(data.subarray(Math.min(offset, end), end))
}

function readdir(call: Call): Buffer {
  return listing(call, wire.encodeDirent, 0)
}

/**
 * A listing that gives the nodes too. The kernel asks for it when a listing begins, and so
 * whoever goes on with the files, as the removal of a generation does, needs no LOOKUP of each.
 */
function readdirplus(call: Call): Buffer {
  const encode = (dirent: wire.Dirent, out: Buffer, at: number): void => {
    const { name, ino } = dirent
    // The kernel takes no node for these two.
    if (name !== '.' && name !== '..') {
      look(call, ino)
      giveNode(call, ino, name, wire.dataViewOf(out), at)
    }
    wire.encodeDirent(dirent, out, at + wire.FUSE_ENTRY_OUT_SIZE)
  }
  return listing(call, encode, wire.FUSE_ENTRY_OUT_SIZE)
}

/** As many entries as fit, each `more` bytes longer than its dirent. */
function listing(
  call: Call,
  encode: (dirent: wire.Dirent, out: Buffer, at: number) => void,
  more: number,
): Buffer {
  const { tree } = call
  const offset = call.long(8)
  const size = call.word(16)
  const out = Buffer.alloc(Math.min(size, wire.MAX_WRITE))
  let at = 0
  const isEmpty =
    call.nodeId === wire.FUSE_ROOT_ID &&
    isUnpublished(tree) &&
    !call.isDaemonThread(call.tid)
  if (isEmpty) refuseUnpublished(tree)
  for (const dirent of tree.readdir(call.nodeId, offset)) {
    if (isUnlisted(call.nodeId, dirent.name)) continue
    if (isEmpty && dirent.name !== '.' && dirent.name !== '..') continue
    const end = at + more + wire.direntSize(dirent.name)
    if (end > out.length) break
    encode(dirent, out, at)
    at = end
  }
  return call.replyWith(out.subarray(0, at))
}

function statfs(call: Call): Buffer {
  const { tree } = call
  const reply = call.reply(80)
  reply.writeBigUInt64LE(BigInt(tree.nodes.size), 16 + 24) // files
  reply.writeUInt32LE(4096, 16 + 40) // bsize
  reply.writeUInt32LE(255, 16 + 44) // namelen
  reply.writeUInt32LE(4096, 16 + 48) // frsize
  return reply
}

function setattr(call: Call): Buffer {
  const { tree, body, time } = call
  const change = wire.decodeSetattrIn(body)
  const has = (bit: number): boolean => (change.valid & bit) !== 0
  const node = tree.get(call.nodeId)
  // What its user sees is to be that user's, also where podfs has the right to give it away.
  if (has(wire.FATTR_UID) && change.uid !== node.uid && isPublicTree(tree))
    throw new ErrnoError(EPERM)
  if (has(wire.FATTR_SIZE)) tree.truncate(node.id, change.size, time)
  if (has(wire.FATTR_MODE))
    node.mode = (node.mode & wire.S_IFMT) | (change.mode & 0o7777)
  if (has(wire.FATTR_UID)) node.uid = change.uid
  if (has(wire.FATTR_GID)) node.gid = change.gid
  if (has(wire.FATTR_ATIME))
    node.atime = has(wire.FATTR_ATIME_NOW) ? time : change.atime
  if (has(wire.FATTR_MTIME))
    node.mtime = has(wire.FATTR_MTIME_NOW) ? time : change.mtime
  node.ctime = has(wire.FATTR_CTIME) ? change.ctime : time
  return attributes(call)
}

function symlink(call: Call): Buffer {
  const { tree, time } = call
  const name = call.name(0)
  const target = call.name(name.length + 1)
  const node = tree.create(
    call.nodeId,
    name,
    wire.S_IFLNK | 0o777,
    call,
    time,
    Buffer.from(target, 'latin1'),
  )
  return entry(call, node.id, name)
}

function mknod(call: Call): Buffer {
  const { tree, time } = call
  const mode = call.word(0)
  const name = call.name(16)
  // A volume holds files, directories and links; never a device, pipe or socket.
  if ((mode & wire.S_IFMT) !== wire.S_IFREG) throw new ErrnoError(EPERM)
  const node = tree.create(
    call.nodeId,
    name,
    wire.S_IFREG | (mode & 0o7777),
    call,
    time,
  )
  return entry(call, node.id, name)
}

function mkdir(call: Call): Buffer {
  const { tree, time } = call
  const mode = call.word(0) & 0o7777
  const isUnseen = isUnseenMode(mode)
  const name = call.name(8)
  const node = tree.create(
    call.nodeId,
    name,
    wire.S_IFDIR | (isUnseen ? mode & ~wire.S_ISVTX : mode),
    call,
    time,
  )
  if (isUnseen) call.unseen.add(node.id)
  return entry(call, node.id, name)
}

function unlink(call: Call): Buffer {
  const { tree, time } = call
  tree.remove(call.nodeId, call.name(0), 'file', time)
  return nothing(call)
}

function rmdir(call: Call): Buffer {
  const { tree, time } = call
  const name = call.name(0)
  const node = tree.lookup(call.nodeId, name)
  if (node?.children && call.isUnseen(node.id)) {
    for (const nodeId of tree.clear(node.id)) {
      call.references.drop(nodeId)
      call.unseen.delete(nodeId)
    }
    call.unseen.delete(node.id)
  }
  tree.remove(call.nodeId, name, 'directory', time)
  return nothing(call)
}

function rename(call: Call): Buffer {
  const { tree, time } = call
  const from = call.name(8)
  const to = call.name(8 + from.length + 1)
  if (from === '') throw new ErrnoError(ENOENT)
  tree.rename(call.nodeId, from, call.long(0), to, time)
  return nothing(call)
}

function write(call: Call): Buffer {
  const { tree, body, time } = call
  const { offset, data } = wire.decodeWriteIn(body)
  if (call.nodeId === FILL_NODE_ID) fill(call, data)
  else tree.write(call.nodeId, offset, data, time)
  const reply = call.reply(8)
  call.out.setUint32(16, data.length, true)
  return reply
}

function fill(call: Call, data: Buffer): void {
  const { tree, time } = call
  const { directory, entries } = decodeFill(data)
  const node = tree.find(directory)
  if (node === undefined) throw new ErrnoError(ENOENT)
  if (!call.isUnseen(node.id)) throw new ErrnoError(EBUSY)
  for (const { id } of tree.fill(node.id, entries, call, time))
    call.unseen.add(id)
}
