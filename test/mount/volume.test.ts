import {
  chmod,
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { mountAt } from '../../src/linux/mountinfo.ts'
import { MountError } from '../../src/linux/mount-error.ts'
import { formatEvents, Inotify } from '../helpers/inotify.ts'
import {
  cannotMount,
  inOtherProcess,
  mountForTest,
  swap,
  until,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

for (const answerOpens of [false, true])
  t.test(
    `a volume, opens ${answerOpens ? '' : 'not '}answered`,
    { skip },
    async t => {
      const { mount, publicPath } = await mountForTest(t, { answerOpens })
      const big = 'x'.repeat(700_000)
      await swap(mount.directory, 1, { a: 'one', big })
      t.equal(await readFile(join(publicPath, 'a'), 'utf8'), 'one')
      t.equal(await readFile(join(publicPath, 'big'), 'utf8'), big)
      t.equal(
        await inOtherProcess(
          `print(fs.readFileSync(process.env.P + '/a', 'utf8'))`,
          { P: publicPath },
        ),
        'one',
      )
      t.strictSame((await readdir(publicPath)).sort(), [
        '..2026_01_01_00_00_00.1',
        '..data',
        'a',
        'big',
      ])
      t.equal(await readlink(join(publicPath, 'a')), '..data/a')
      const { mode, uid, size } = await stat(join(publicPath, 'a'))
      t.strictSame([mode, uid, size], [0o100644, 0, 3])
      await swap(mount.directory, 2, { a: 'two', big: 'small' })
      t.equal(await readFile(join(publicPath, 'a'), 'utf8'), 'two')
      t.equal(await readFile(join(publicPath, 'big'), 'utf8'), 'small')
      t.equal((await statfs(publicPath)).bsize, 4096)
    },
  )

t.test(
  'what is cached is read without asking the server',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    await swap(mount.directory, 1, { a: 'one' })
    const read = async (): Promise<void> => {
      await readFile(join(publicPath, 'a'))
      await readdir(publicPath)
    }
    await read()
    // The kernel may drop what it has cached whenever it likes; it does not time after time.
    let asked: [unknown, unknown] = [1, 0]
    for (let tries = 0; tries < 5 && !isDeepStrictEqual(...asked); tries++) {
      const before = await mount.stats()
      for (let i = 0; i < 20; i++) await read()
      asked = [before, await mount.stats()]
    }
    t.strictSame(asked[1], asked[0])
  },
)

t.test(
  'the daemon changes modes, owners, sizes and times',
  { skip },
  async t => {
    const { mount } = await mountForTest(t)
    const file = join(mount.directory, 'f')
    await writeFile(file, 'abc')
    await chmod(file, 0o440)
    await chown(file, 1000, 1001)
    await truncate(file, 2)
    await utimes(file, 1, 2)
    t.match(await stat(file), {
      mode: 0o100440,
      uid: 1000,
      gid: 1001,
      size: 2,
      mtimeMs: 2000,
    })
  },
)

t.test('entries of a setgid directory take its group', { skip }, async t => {
  const { mount } = await mountForTest(t)
  const dir = join(mount.directory, 'd')
  await mkdir(dir)
  await chown(dir, 0, 1234)
  await chmod(dir, 0o2775)
  await writeFile(join(dir, 'f'), '')
  await mkdir(join(dir, 's'))
  t.equal((await stat(join(dir, 'f'))).gid, 1234)
  const sub = await stat(join(dir, 's'))
  t.equal(sub.gid, 1234)
  t.equal(sub.mode & 0o2000, 0o2000)
})

t.test('names are bytes', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  const name = Buffer.from([0x66, 0xff, 0xc3, 0xbc])
  const path = Buffer.concat([Buffer.from(`${mount.directory}/`), name])
  await writeFile(path, 'x')
  const names = await readdir(publicPath, { encoding: 'buffer' })
  t.strictSame(names, [name])
  await t.rejects(writeFile(join(mount.directory, 'n'.repeat(256)), ''), {
    code: 'ENAMETOOLONG',
  })
})

/** `$P`: the public path, with file, link, directory, empty directory. */
const mutations: Record<string, string> = {
  'open for writing': `fs.openSync(P + '/file', 'r+')`,
  'open write-only': `fs.openSync(P + '/file', fs.constants.O_WRONLY)`,
  'open truncating': `fs.openSync(P + '/file', 'w')`,
  'open appending': `fs.openSync(P + '/file', 'a')`,
  create: `fs.openSync(P + '/new', 'wx')`,
  O_TMPFILE: `fs.openSync(P, 0o20200000 | fs.constants.O_RDWR)`,
  truncate: `fs.truncateSync(P + '/file', 0)`,
  chmod: `fs.chmodSync(P + '/file', 0o777)`,
  chown: `fs.chownSync(P + '/file', 1, 1)`,
  lchown: `fs.lchownSync(P + '/link', 1, 1)`,
  utimes: `fs.utimesSync(P + '/file', 1, 1)`,
  mkdir: `fs.mkdirSync(P + '/newdir')`,
  symlink: `fs.symlinkSync('x', P + '/newlink')`,
  link: `fs.linkSync(P + '/file', P + '/hard')`,
  unlink: `fs.unlinkSync(P + '/file')`,
  rmdir: `fs.rmdirSync(P + '/empty')`,
  rename: `fs.renameSync(P + '/file', P + '/other')`,
  'rename over': `fs.renameSync(P + '/link', P + '/file')`,
  'chmod of the root': `fs.chmodSync(P, 0o777)`,
  mknod: `call('int mknod(const char *, uint32_t, uint64_t)', P + '/dev', 0o100644, 0)`,
  mkfifo: `call('int mkfifo(const char *, uint32_t)', P + '/fifo', 0o644)`,
  setxattr: `call('int setxattr(const char *, const char *, const char *, size_t, int)', P + '/file', 'user.x', 'y', 1, 0)`,
  removexattr: `call('int removexattr(const char *, const char *)', P + '/file', 'user.x')`,
  renameat2: `call('int renameat2(int, const char *, int, const char *, uint32_t)', -100, P + '/file', -100, P + '/o', 1)`,
}

/** `call` throws with the errno's name, like the functions of `fs`. */
const withLibc = `
  const P = process.env.P
  const libc = koffi.load('libc.so.6')
  const call = (signature, ...args) => {
    if (libc.func(signature)(...args) === -1)
      throw { code: Object.entries(require('os').constants.errno).find(([, n]) => n === koffi.errno())[0] }
  }
`

for (const answerOpens of [false, true])
  t.test(
    `nobody changes the public view (answerOpens ${answerOpens})`,
    { skip },
    async t => {
      const { mount, publicPath } = await mountForTest(t, { answerOpens })
      await writeFile(join(mount.directory, 'file'), 'content')
      await symlink('file', join(mount.directory, 'link'))
      await mkdir(join(mount.directory, 'empty'))
      const calls = Object.values(mutations).map(code => `errno(() => ${code})`)
      const results = await inOtherProcess(
        `${withLibc} print([${calls.join()}])`,
        { P: publicPath },
      )
      t.strictSame(
        results,
        Object.keys(mutations).map(() => 'EROFS'),
        Object.keys(mutations).join(),
      )
      t.equal(await readFile(join(publicPath, 'file'), 'utf8'), 'content')

      t.test('nor maps it shared and writable', async t => {
        // Opened for reading is all there is; such a descriptor cannot be mapped writable.
        const result = await inOtherProcess(
          `${withLibc}
         const fd = fs.openSync(P + '/file', 'r')
         print(errno(() => {
           const p = libc.func('int64_t mmap(void *, size_t, int, int, int, int64_t)')(null, 4096, 3, 1, fd, 0)
           if (p === -1 || p === -1n) throw { code: koffi.errno() }
         }))`,
          { P: publicPath },
        )
        t.equal(result, 13)
      })

      t.test(
        'the server refuses strangers on the private mount too',
        async t => {
          const results = await inOtherProcess(
            `${withLibc} print([
           errno(() => fs.mkdirSync(P + '/d')),
           errno(() => fs.unlinkSync(P + '/file')),
           errno(() => fs.chmodSync(P + '/file', 0o777)),
           errno(() => { const fd = fs.openSync(P + '/file', 'r+'); fs.writeSync(fd, 'x') })])`,
            {
              P:
                (await mountAt(publicPath))?.mountpoint.replace(
                  /public$/,
                  'runtime/rw',
                ) ?? '',
            },
          )
          t.strictSame(results, ['EROFS', 'EROFS', 'EROFS', 'EROFS'])
          t.equal(await readFile(join(publicPath, 'file'), 'utf8'), 'content')
        },
      )
    },
  )

t.test(
  'default_permissions: another user is held to the modes',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    await writeFile(join(mount.directory, 'secret'), 's', { mode: 0o600 })
    await writeFile(join(mount.directory, 'public'), 'p', { mode: 0o644 })
    const results = await inOtherProcess(
      `process.chdir('/'); process.setgid(65534); process.setuid(65534)
     const P = process.env.P
     print(['secret', 'public'].map(n => errno(() => fs.readFileSync(P + '/' + n))))`,
      { P: publicPath },
    )
    t.strictSame(results, ['EACCES', 'OK'])
  },
)

t.test('watchers get the events of an AtomicWriter', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  await swap(mount.directory, 1, { a: 'one' })
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(publicPath)
  await swap(mount.directory, 2, { a: 'two' })
  t.strictSame(formatEvents(inotify.drain()), [
    'CREATE,ISDIR ..ts1',
    'CREATE ..data_tmp',
    'MOVED_FROM ..data_tmp',
    'MOVED_TO ..data',
    'DELETE,ISDIR ..ts2',
  ])
})

t.test('binds a subdirectory, and takes it away', { skip }, async t => {
  const { mount, root } = await mountForTest(t)
  await mkdir(join(mount.directory, 'v'))
  await writeFile(join(mount.directory, 'v/key'), 'x')
  const target = join(root, 'a target')
  await mkdir(target)
  await symlink(target, join(root, 'way to it'))
  await mount.bind('v', join(root, 'way to it'))
  t.strictSame(await readdir(target), ['key'])
  const bound = await mountAt(target)
  t.equal(bound?.root, '/v')
  t.strictSame(
    ['ro', 'nosuid', 'nodev'].filter(flag => !bound?.options.includes(flag)),
    [],
  )
  const held = await open(join(target, 'key'))
  const error = await mount.unbind(target).catch((error: unknown) => error)
  t.ok(error instanceof MountError)
  t.equal((error as MountError).code, 'MOUNT_BUSY')
  await held.close()
  await mount.unbind(target)
  t.equal(await mountAt(target), undefined)
  await t.rejects(mount.bind('no-such', target), { code: 'MOUNT_FAILED' })
  await mount.bind('v', target)
  const pinned = await open(join(target, 'key'))
  await mount.unbind(target, { lazy: true })
  t.equal((await pinned.read()).bytesRead, 1)
  await pinned.close()
})

t.test('a thousand swaps leak no node', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  const nodes = async (): Promise<number> => (await statfs(publicPath)).files
  await swap(mount.directory, 0, { a: '0', b: '0' })
  const before = await nodes()
  for (let round = 1; round <= 1000; round++)
    await swap(mount.directory, round, { a: `${round}`, b: `${round}` })
  // The last FORGETs may still be on their way.
  await until(async () => (await nodes()) === before, 'all is forgotten')
  await rename(join(mount.directory, 'a'), join(mount.directory, 'c'))
  await unlink(join(mount.directory, 'c'))
  await rm(join(mount.directory, 'b'))
  t.equal(await readFile(join(publicPath, '..data/a'), 'utf8'), '1000')
})
