import t, { type Test } from 'tap'
import type { ErrnoError } from '../../src/fuse/wire/errno.ts'
import * as errno from '../../src/fuse/wire/errno.ts'
import {
  FUSE_ROOT_ID,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from '../../src/fuse/wire/protocol.ts'
import { Tree } from '../../src/fuse/server/tree.ts'

const owner = { uid: 1, gid: 2 }
const time = (sec: number): { sec: number; nsec: number } => ({ sec, nsec: 0 })

function makeTree(): Tree {
  return Tree.empty({ uid: 0, gid: 0 }, time(0))
}

function names(tree: Tree, id = FUSE_ROOT_ID, after = 0): string[] {
  return [...tree.readdir(id, after)].map(({ name }) => name)
}

function throwsErrno(t: Test, expected: number, run: () => void): void {
  try {
    run()
    t.fail(`did not throw errno ${expected}`)
  } catch (error) {
    t.equal((error as ErrnoError).errno, expected)
  }
}

t.test('a new directory counts in its parent', async t => {
  const tree = makeTree()
  const dir = tree.create(1, 'd', S_IFDIR | 0o755, owner, time(5))
  t.equal(tree.get(1).nlink, 3)
  t.equal(dir.nlink, 2)
  t.strictSame(tree.get(1).mtime, time(5))
  tree.remove(1, 'd', 'directory', time(6))
  t.equal(tree.get(1).nlink, 2)
  t.equal(dir.nlink, 0)
  throwsErrno(t, errno.ENOENT, () =>
    tree.create(dir.id, 'late', S_IFREG, owner, time(7)),
  )
})

t.test('never uses a node id twice', async t => {
  const tree = makeTree()
  const ids = new Set<number>()
  for (let round = 0; round < 5; round++) {
    const { id } = tree.create(1, 'a', S_IFREG | 0o600, owner, time(1))
    t.notOk(ids.has(id))
    ids.add(id)
    tree.remove(1, 'a', 'file', time(2))
    tree.drop(id)
  }
})

t.test('a setgid directory hands down its group and the bit', async t => {
  const tree = makeTree()
  const dir = tree.create(1, 'd', S_IFDIR | 0o2775, owner, time(1))
  dir.gid = 1234
  const file = tree.create(dir.id, 'f', S_IFREG | 0o640, owner, time(1))
  t.match(file, { uid: 1, gid: 1234, mode: S_IFREG | 0o640 })
  const sub = tree.create(dir.id, 's', S_IFDIR | 0o755, owner, time(1))
  t.match(sub, { uid: 1, gid: 1234, mode: S_IFDIR | 0o2755 })
  t.match(tree.create(1, 'f', S_IFREG | 0o640, owner, time(1)), { gid: 2 })
})

t.test("a rename over a name keeps that name's cookie", async t => {
  const tree = makeTree()
  tree.create(1, '..data', S_IFLNK | 0o777, owner, time(1))
  tree.create(1, 'a', S_IFLNK | 0o777, owner, time(1))
  const before = [...tree.readdir(1, 0)].map(({ off }) => off)
  const link = tree.create(1, '..data_tmp', S_IFLNK | 0o777, owner, time(2))
  tree.rename(1, '..data_tmp', 1, '..data', time(3))
  t.strictSame(names(tree), ['.', '..', '..data', 'a'])
  t.strictSame(
    [...tree.readdir(1, 0)].map(({ off }) => off),
    before,
  )
  t.equal(tree.lookup(1, '..data'), link)
})

t.test('a listing goes on from any cookie, also of a removed name', async t => {
  const tree = makeTree()
  for (const name of 'abcd')
    tree.create(1, name, S_IFREG | 0o600, owner, time(1))
  const all = [...tree.readdir(1, 0)]
  tree.remove(1, 'b', 'file', time(2))
  const cookieOfB = all.find(({ name }) => name === 'b')?.off ?? -1
  t.strictSame(names(tree, 1, cookieOfB), ['c', 'd'])
  t.strictSame(names(tree, 1, all.at(-1)?.off), [])
  tree.create(1, 'b', S_IFREG | 0o600, owner, time(3))
  t.strictSame(names(tree, 1, cookieOfB), ['c', 'd', 'b'])
})

t.test('moves a directory and knows its new parent', async t => {
  const tree = makeTree()
  const a = tree.create(1, 'a', S_IFDIR | 0o755, owner, time(1))
  const b = tree.create(1, 'b', S_IFDIR | 0o755, owner, time(1))
  tree.rename(1, 'b', a.id, 'b', time(2))
  t.equal(b.parent, a.id)
  t.equal(tree.get(1).nlink, 3)
  t.equal(a.nlink, 3)
  throwsErrno(t, errno.EINVAL, () => tree.rename(1, 'a', b.id, 'x', time(3)))
})

t.test('refuses as the system calls do', async t => {
  const tree = makeTree()
  const dir = tree.create(1, 'd', S_IFDIR | 0o755, owner, time(1))
  const file = tree.create(1, 'f', S_IFREG | 0o600, owner, time(1))
  tree.create(dir.id, 'x', S_IFREG | 0o600, owner, time(1))
  tree.create(1, 'empty', S_IFDIR | 0o755, owner, time(1))
  const cases: [string, number, () => void][] = [
    [
      'exists',
      errno.EEXIST,
      () => tree.create(1, 'f', S_IFREG, owner, time(2)),
    ],
    ['not a directory', errno.ENOTDIR, () => tree.lookup(file.id, 'x')],
    ['unknown node', errno.ESTALE, () => tree.lookup(99, 'x')],
    [
      'unlink a directory',
      errno.EISDIR,
      () => tree.remove(1, 'd', 'file', time(2)),
    ],
    [
      'rmdir a file',
      errno.ENOTDIR,
      () => tree.remove(1, 'f', 'directory', time(2)),
    ],
    [
      'rmdir a full one',
      errno.ENOTEMPTY,
      () => tree.remove(1, 'd', 'directory', time(2)),
    ],
    [
      'unlink nothing',
      errno.ENOENT,
      () => tree.remove(1, 'no', 'file', time(2)),
    ],
    [
      'rename nothing',
      errno.ENOENT,
      () => tree.rename(1, 'no', 1, 'f', time(2)),
    ],
    [
      'file over directory',
      errno.EISDIR,
      () => tree.rename(1, 'f', 1, 'empty', time(2)),
    ],
    [
      'directory over file',
      errno.ENOTDIR,
      () => tree.rename(1, 'empty', 1, 'f', time(2)),
    ],
    [
      'directory over full one',
      errno.ENOTEMPTY,
      () => tree.rename(1, 'empty', 1, 'd', time(2)),
    ],
    [
      'long name',
      errno.ENAMETOOLONG,
      () => tree.create(1, 'n'.repeat(256), S_IFREG, owner, time(2)),
    ],
    [
      'name with a slash',
      errno.EINVAL,
      () => tree.create(1, 'a/b', S_IFREG, owner, time(2)),
    ],
    [
      'dot-dot',
      errno.EINVAL,
      () => tree.create(1, '..', S_IFREG, owner, time(2)),
    ],
    ['too large', errno.EFBIG, () => tree.truncate(file.id, 2 ** 40, time(2))],
    [
      'write far away',
      errno.EFBIG,
      () => tree.write(file.id, 2 ** 40, Buffer.from('x'), time(2)),
    ],
  ]
  const before = JSON.stringify([...tree.nodes])
  for (const [name, expected, run] of cases)
    t.test(name, async t => throwsErrno(t, expected, run))
  t.equal(JSON.stringify([...tree.nodes]), before, 'and changes nothing')
})

t.test('writes with holes and truncates with zeros', async t => {
  const tree = makeTree()
  const { id } = tree.create(1, 'f', S_IFREG | 0o600, owner, time(1))
  tree.write(id, 2, Buffer.from('ab'), time(2))
  t.equal(tree.get(id).data.toString('latin1'), '\0\0ab')
  tree.truncate(id, 3, time(3))
  tree.truncate(id, 5, time(3))
  t.equal(tree.get(id).data.toString('latin1'), '\0\0a\0\0')
})
