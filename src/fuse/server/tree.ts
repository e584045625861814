/**
 * The tree of one mount: plain data, changed only by the functions below.
 *
 * - A node id is never used twice: the kernel keeps ids for as long as it likes, and an id
 *   with another content makes every open file on it fail (docs/fuse.md#node-ids).
 * - Names are bytes, held as latin1 strings: one character a byte, so they compare as bytes.
 * - Nodes are plain objects: snapshot.ts has each of their fields.
 */
import {
  EEXIST,
  EFBIG,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  ErrnoError,
  ESTALE,
} from '../wire/errno.ts'
import type { FillRequest } from '../wire/fill.ts'
import {
  type Attr,
  type Dirent,
  FUSE_ROOT_ID,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  type Time,
} from '../wire/protocol.ts'

/** Volumes hold at most a few MiB; a stray offset must not make the server allocate more. */
const MAX_FILE_SIZE = 1 << 30

export interface Entry {
  readonly nodeId: number
  /**
   * What READDIR gives as `off`. Never changes while the name exists, also when a rename
   * puts another node under it: with a new cookie a reader listed `..data` twice.
   */
  readonly cookie: number
}

export interface Node {
  readonly id: number
  mode: number
  uid: number
  gid: number
  nlink: number
  atime: Time
  mtime: Time
  ctime: Time
  /** A file's contents or a link's target; empty for a directory. */
  data: Buffer
  /** A directory's names, in the order of their cookies. */
  readonly children: Map<string, Entry> | undefined
  /** A directory's parent, for `..`. */
  parent: number
  nextCookie: number
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** `.` and `..` take the first two. */
const FIRST_COOKIE = 3

export class Tree {
  readonly nodes: Map<number, Node>
  nextId: number

  constructor(state: { nodes: Map<number, Node>; nextId: number }) {
    this.nodes = state.nodes
    this.nextId = state.nextId
  }

  static empty(owner: Owner, time: Time): Tree {
    const tree = new Tree({ nodes: new Map(), nextId: FUSE_ROOT_ID })
    tree.#newNode(S_IFDIR | 0o755, owner, time, FUSE_ROOT_ID)
    return tree
  }

  #newNode(mode: number, owner: Owner, time: Time, parent: number): Node {
    const directory = (mode & S_IFMT) === S_IFDIR
    const node: Node = {
      id: this.nextId++,
      mode,
      uid: owner.uid,
      gid: owner.gid,
      nlink: directory ? 2 : 1,
      atime: time,
      mtime: time,
      ctime: time,
      data: Buffer.alloc(0),
      children: directory ? new Map() : undefined,
      parent,
      nextCookie: FIRST_COOKIE,
    }
    this.nodes.set(node.id, node)
    return node
  }

  get(id: number): Node {
    const node = this.nodes.get(id)
    // ESTALE and not EIO: the kernel looks a path up again.
    if (node === undefined) throw new ErrnoError(ESTALE)
    return node
  }

  directory(id: number): Node & { readonly children: Map<string, Entry> } {
    const node = this.get(id)
    if (node.children === undefined) throw new ErrnoError(ENOTDIR)
    return node as Node & { readonly children: Map<string, Entry> }
  }

  file(id: number): Node {
    const node = this.get(id)
    if (node.children !== undefined) throw new ErrnoError(EISDIR)
    return node
  }

  /** `a/b/c` from a directory; '' is the directory itself. */
  find(path: string, from = FUSE_ROOT_ID): Node | undefined {
    let node: Node | undefined = this.get(from)
    if (path === '') return node
    for (const name of path.split('/')) {
      if (node?.children === undefined) return undefined
      node = this.lookup(node.id, name)
    }
    return node
  }

  lookup(parentId: number, name: string): Node | undefined {
    const entry = this.directory(parentId).children.get(name)
    return entry && this.get(entry.nodeId)
  }

  /**
   * A new node under a new name. As the kernel's inode_init_owner: in a setgid directory a
   * new entry takes the directory's group, and a new directory is setgid too. A FUSE server
   * must do that itself.
   */
  create(
    parentId: number,
    name: string,
    mode: number,
    owner: Owner,
    time: Time,
    data?: Buffer,
  ): Node {
    const parent = this.directory(parentId)
    checkName(name)
    // A directory that was removed takes no new entries, as on every other file system.
    if (parent.nlink === 0) throw new ErrnoError(ENOENT)
    if (parent.children.has(name)) throw new ErrnoError(EEXIST)
    const inherit = (parent.mode & S_ISGID) !== 0
    const directory = (mode & S_IFMT) === S_IFDIR
    const node = this.#newNode(
      inherit && directory ? mode | S_ISGID : mode,
      { uid: owner.uid, gid: inherit ? parent.gid : owner.gid },
      time,
      parentId,
    )
    if (data !== undefined) node.data = data
    if (directory) parent.nlink++
    this.#setEntry(parent, name, node.id)
    touch(parent, time)
    return node
  }

  /**
   * Makes entries below a directory, each parent before what is in it: all of them, or nothing
   * and an ErrnoError. Returns the directories among them.
   */
  fill(
    directoryId: number,
    entries: FillRequest['entries'],
    owner: Owner,
    time: Time,
  ): Node[] {
    const directory = this.directory(directoryId)
    if (directory.nlink === 0) throw new ErrnoError(ENOENT)
    const made = new Map<string, number>()
    for (const { path, mode } of entries) {
      const [parent, name] = splitPath(path)
      checkName(name)
      const there = this.find(parent, directoryId)
      if (made.has(path) || there?.children?.has(name))
        throw new ErrnoError(EEXIST)
      if (there?.children === undefined && made.get(parent) !== S_IFDIR)
        throw new ErrnoError(ENOENT)
      const type = mode & S_IFMT
      if (type !== S_IFDIR && type !== S_IFREG && type !== S_IFLNK)
        throw new ErrnoError(EPERM)
      made.set(path, type)
    }
    const directories: Node[] = []
    for (const { path, mode, uid = owner.uid, data } of entries) {
      const [parent, name] = splitPath(path)
      const { id } = this.find(parent, directoryId) as Node
      const own = { uid, gid: owner.gid }
      const node = this.create(id, name, mode, own, time)
      if (node.children === undefined) node.data = data
      else directories.push(node)
    }
    return directories
  }

  /** Frees all that is in a directory, and gives each node that there was. */
  *clear(directoryId: number): Generator<number> {
    const { children } = this.directory(directoryId)
    for (const { nodeId } of children.values()) {
      if (this.get(nodeId).children) yield* this.clear(nodeId)
      this.drop(nodeId)
      yield nodeId
    }
    children.clear()
  }

  /** UNLINK and RMDIR. The node itself stays until the kernel forgets it: see `drop`. */
  remove(
    parentId: number,
    name: string,
    what: 'file' | 'directory',
    time: Time,
  ): Node {
    const parent = this.directory(parentId)
    const node = this.lookup(parentId, name)
    if (node === undefined) throw new ErrnoError(ENOENT)
    if (what === 'file' && node.children) throw new ErrnoError(EISDIR)
    if (what === 'directory' && !node.children) throw new ErrnoError(ENOTDIR)
    if (node.children && node.children.size > 0) throw new ErrnoError(ENOTEMPTY)
    parent.children.delete(name)
    this.#unlinked(parent, node, time)
    touch(parent, time)
    return node
  }

  rename(
    fromId: number,
    fromName: string,
    toId: number,
    toName: string,
    time: Time,
  ): void {
    const from = this.directory(fromId)
    const to = this.directory(toId)
    checkName(toName)
    const node = this.lookup(fromId, fromName)
    if (node === undefined) throw new ErrnoError(ENOENT)
    if (to.nlink === 0) throw new ErrnoError(ENOENT)
    if (node.children && this.#isWithin(toId, node.id))
      throw new ErrnoError(EINVAL)
    const replaced = this.lookup(toId, toName)
    if (replaced === node) return
    if (replaced !== undefined) {
      if (replaced.children && !node.children) throw new ErrnoError(EISDIR)
      if (!replaced.children && node.children) throw new ErrnoError(ENOTDIR)
      if (replaced.children && replaced.children.size > 0)
        throw new ErrnoError(ENOTEMPTY)
      this.#unlinked(to, replaced, time)
    }
    from.children.delete(fromName)
    this.#setEntry(to, toName, node.id)
    if (node.children) {
      from.nlink--
      to.nlink++
    }
    node.parent = toId
    node.ctime = time
    touch(from, time)
    touch(to, time)
  }

  #isWithin(id: number, ancestor: number): boolean {
    for (let at = id; ;) {
      if (at === ancestor) return true
      if (at === FUSE_ROOT_ID) return false
      const parent = this.nodes.get(at)?.parent
      if (parent === undefined || parent === at) return false
      at = parent
    }
  }

  /** Keeps the cookie of a name that exists; Map.set keeps its place in the order too. */
  #setEntry(parent: Node, name: string, nodeId: number): void {
    const children = parent.children as Map<string, Entry>
    const cookie = children.get(name)?.cookie ?? parent.nextCookie++
    children.set(name, { nodeId, cookie })
  }

  #unlinked(parent: Node, node: Node, time: Time): void {
    if (node.children) parent.nlink--
    node.nlink = node.children ? 0 : node.nlink - 1
    node.ctime = time
  }

  write(id: number, offset: number, data: Buffer, time: Time): void {
    const node = this.file(id)
    const end = offset + data.length
    if (end > MAX_FILE_SIZE) throw new ErrnoError(EFBIG)
    if (end > node.data.length) resize(node, end)
    data.copy(node.data, offset)
    node.mtime = time
    node.ctime = time
  }

  truncate(id: number, size: number, time: Time): void {
    const node = this.file(id)
    if (size > MAX_FILE_SIZE) throw new ErrnoError(EFBIG)
    resize(node, size)
    node.mtime = time
  }

  /** Frees a node that has no name any more. */
  drop(id: number): void {
    this.nodes.delete(id)
  }

  isUnlinked(id: number): boolean {
    return this.nodes.get(id)?.nlink === 0
  }

  attr(node: Node): Attr {
    return {
      ino: node.id,
      size: node.children ? 4096 : node.data.length,
      atime: node.atime,
      mtime: node.mtime,
      ctime: node.ctime,
      mode: node.mode,
      nlink: node.nlink,
      uid: node.uid,
      gid: node.gid,
    }
  }

  /** The entries after a cookie; a listing may begin at any cookie ever given out. */
  *readdir(id: number, after: number): Generator<Dirent> {
    const node = this.directory(id)
    if (after < 1) yield { ino: id, off: 1, mode: S_IFDIR, name: '.' }
    if (after < 2) yield { ino: node.parent, off: 2, mode: S_IFDIR, name: '..' }
    for (const [name, { nodeId, cookie }] of node.children)
      if (cookie > after)
        yield { ino: nodeId, off: cookie, mode: this.get(nodeId).mode, name }
  }
}

function checkName(name: string): void {
  if (name.length > 255) throw new ErrnoError(ENAMETOOLONG)
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw new ErrnoError(EINVAL)
}

/** `a/b/c`: `a/b` and `c`. */
function splitPath(path: string): [parent: string, name: string] {
  const at = path.lastIndexOf('/')
  return [path.slice(0, Math.max(at, 0)), path.slice(at + 1)]
}

function resize(node: Node, size: number): void {
  const data = Buffer.alloc(size)
  node.data.copy(data)
  node.data = data
}

function touch(directory: Node, time: Time): void {
  directory.mtime = time
  directory.ctime = time
}
