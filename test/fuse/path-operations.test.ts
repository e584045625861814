import t from 'tap'
import { PathOperations } from '../../src/fuse/native/path-operations.ts'

function makeFiles(): PathOperations {
  return new PathOperations({
    owner: { uid: 7, gid: 8 },
    now: () => ({ sec: 100, nsec: 0 }),
  })
}

t.test('a generation is written, swapped and removed, by path', async t => {
  const files = makeFiles()
  files.mkdir('/v', 0o755)
  files.mkdir('/v/..1', 0o755)
  files.mknod('/v/..1/a', 0o100644)
  files.write('/v/..1/a', 0, Buffer.from('one'))
  files.symlink('..1', '/v/..data_tmp')
  files.rename('/v/..data_tmp', '/v/..data')
  files.symlink('..data/a', '/v/a')
  t.strictSame(files.readdir('/v'), ['.', '..', '..1', '..data', 'a'])
  t.equal(files.readlink('/v/..data'), '..1')
  t.equal(files.contents(files.id('/v/..1/a')).toString(), 'one')
  t.match(files.getattr('/v/..1/a'), {
    mode: 0o100644,
    size: 3,
    uid: 7,
    gid: 8,
    mtime: { sec: 100, nsec: 0 },
  })

  files.mkdir('/v/..2', 0o755)
  files.symlink('..2', '/v/..data_tmp')
  const before = files.tree.nodes.size
  files.rename('/v/..data_tmp', '/v/..data')
  files.remove('/v/..1/a', 'file')
  files.remove('/v/..1', 'directory')
  t.equal(files.readlink('/v/..data'), '..2')
  t.equal(files.tree.nodes.size, before - 3, 'what has no name is freed')
})

t.test('modes, owners, sizes and times', async t => {
  const files = makeFiles()
  files.mknod('/f', 0o100600)
  files.chmod('/f', 0o444)
  files.chown('/f', 0xffff_ffff, 5)
  files.write('/f', 2, Buffer.from('x'))
  files.truncate('/f', 2)
  files.utimens('/f', { sec: 1, nsec: 0 }, { sec: 2, nsec: 0 })
  t.match(files.getattr('/f'), {
    mode: 0o100444,
    uid: 7,
    gid: 5,
    size: 2,
    atime: { sec: 1 },
    mtime: { sec: 2 },
  })
  t.strictSame(files.contents(files.id('/f')), Buffer.from([0, 0]))
})

t.test('names are UTF-8 outside and bytes inside', async t => {
  const files = makeFiles()
  files.mkdir('/ünï', 0o755)
  t.strictSame(files.readdir('/'), ['.', '..', 'ünï'])
  t.ok(files.tree.lookup(1, Buffer.from('ünï').toString('latin1')))
  t.throws(() => files.mkdir(`/${'ü'.repeat(128)}`, 0o755), {
    message: 'errno 36',
  })
})

t.test('refuses what cannot be', async t => {
  const files = makeFiles()
  files.mkdir('/d', 0o755)
  files.mknod('/f', 0o100644)
  const cases: [name: string, act: () => void, errno: number][] = [
    ['no such file', () => files.getattr('/no'), 2],
    ['no such directory', () => files.mkdir('/no/d', 0o755), 2],
    ['through a file', () => files.getattr('/f/x'), 20],
    ['not a link', () => files.readlink('/f'), 22],
    ['a device', () => files.mknod('/dev', 0o020644), 1],
    ['exists', () => files.mkdir('/f', 0o755), 17],
    ['unlink of a directory', () => files.remove('/d', 'file'), 21],
    ['rmdir of a file', () => files.remove('/f', 'directory'), 20],
    ['write into a directory', () => files.write('/d', 0, Buffer.of(1)), 21],
  ]
  for (const [name, act, errno] of cases)
    t.throws(act, { message: `errno ${errno}` }, name)
})
