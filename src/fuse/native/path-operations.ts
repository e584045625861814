/**
 * The tree by path instead of by node, for libfuse 2's high-level interface: no requests, no
 * node ids, no journal. Pure; a failed operation throws an ErrnoError.
 *
 * Paths are UTF-8, as libfuse's callers in JavaScript get them; names in the tree are bytes.
 */
import { EINVAL, ENOENT, EPERM, ErrnoError } from '../wire/errno.ts'
import {
  FUSE_ROOT_ID,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Time,
} from '../wire/protocol.ts'
import { type Node, type Owner, Tree } from '../server/tree.ts'

/** chown(2): leave as it is. */
const UNCHANGED = 0xffff_ffff

export interface PathOperationsOptions {
  /** Of everything new: libfuse's binding does not tell who calls. */
  readonly owner: Owner
  readonly now: () => Time
}

export class PathOperations {
  readonly tree: Tree
  readonly #owner: Owner
  readonly #now: () => Time

  constructor(options: PathOperationsOptions) {
    this.#owner = options.owner
    this.#now = options.now
    this.tree = Tree.empty(options.owner, options.now())
  }

  getattr(path: string): ReturnType<Tree['attr']> {
    return this.tree.attr(this.#node(path))
  }

  readdir(path: string): string[] {
    const { children } = this.tree.directory(this.#node(path).id)
    return ['.', '..', ...[...children.keys()].map(toText)]
  }

  readlink(path: string): string {
    const node = this.#node(path)
    if ((node.mode & S_IFMT) !== S_IFLNK) throw new ErrnoError(EINVAL)
    return node.data.toString('utf8')
  }

  /** The bytes of a node, also after it has lost its name. */
  contents(id: number): Buffer {
    return this.tree.file(id).data
  }

  id(path: string): number {
    return this.#node(path).id
  }

  write(path: string, offset: number, data: Buffer): void {
    this.tree.write(this.#node(path).id, offset, data, this.#now())
  }

  truncate(path: string, size: number): void {
    this.tree.truncate(this.#node(path).id, size, this.#now())
  }

  chmod(path: string, mode: number): void {
    const node = this.#node(path)
    node.mode = (node.mode & S_IFMT) | (mode & 0o7777)
    node.ctime = this.#now()
  }

  chown(path: string, uid: number, gid: number): void {
    const node = this.#node(path)
    if (uid !== UNCHANGED) node.uid = uid
    if (gid !== UNCHANGED) node.gid = gid
    node.ctime = this.#now()
  }

  utimens(path: string, atime: Time, mtime: Time): void {
    const node = this.#node(path)
    node.atime = atime
    node.mtime = mtime
    node.ctime = this.#now()
  }

  mknod(path: string, mode: number): void {
    // A volume holds files, directories and links; never a device, pipe or socket.
    if ((mode & S_IFMT) !== S_IFREG) throw new ErrnoError(EPERM)
    this.#create(path, mode)
  }

  mkdir(path: string, mode: number): void {
    this.#create(path, S_IFDIR | (mode & 0o7777))
  }

  symlink(target: string, path: string): void {
    this.#create(path, S_IFLNK | 0o777, Buffer.from(target, 'utf8'))
  }

  remove(path: string, what: 'file' | 'directory'): void {
    const [parent, name] = this.#parent(path)
    this.tree.drop(this.tree.remove(parent, name, what, this.#now()).id)
  }

  rename(from: string, to: string): void {
    const [fromId, fromName] = this.#parent(from)
    const [toId, toName] = this.#parent(to)
    const replaced = this.tree.lookup(toId, toName)
    this.tree.rename(fromId, fromName, toId, toName, this.#now())
    if (replaced?.nlink === 0) this.tree.drop(replaced.id)
  }

  #create(path: string, mode: number, data?: Buffer): void {
    const [parent, name] = this.#parent(path)
    this.tree.create(parent, name, mode, this.#owner, this.#now(), data)
  }

  #node(path: string): Node {
    let id = FUSE_ROOT_ID
    for (const name of namesOf(path)) {
      const node = this.tree.lookup(id, name)
      if (node === undefined) throw new ErrnoError(ENOENT)
      id = node.id
    }
    return this.tree.get(id)
  }

  #parent(path: string): [parentId: number, name: string] {
    const at = path.lastIndexOf('/')
    return [this.id(path.slice(0, at)), toBytes(path.slice(at + 1))]
  }
}

function namesOf(path: string): string[] {
  return path
    .split('/')
    .filter(name => name !== '')
    .map(toBytes)
}

function toBytes(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1')
}

function toText(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}
