import t from 'tap'
import { cannotStart, isRoot, needsRoot } from '../helpers/capability.ts'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { whatIsMissing } from '../helpers/backend-suite.ts'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'
import { eventually, podfs, podfsMounts, startPodfs } from '../helpers/podfs.ts'

const skip = cannotStart()

// A bind at the mount point is what an ordinary user cannot make.
const names = isRoot
  ? (['fuse', 'fuse-native', 'dir', 'auto'] as const)
  : (['fuse', 'dir', 'auto'] as const)
for (const name of names)
  t.test(`podfs mount --backend ${name}`, { skip }, async t => {
    const missing =
      name === 'auto' || !isRoot ? undefined : await whatIsMissing(name)
    if (missing !== undefined) return t.comment(`SKIPPED: ${missing}`)
    const dir = t.testdir({ conf: { colour: 'blue\n' } })
    const mountpoint = path.join(dir, 'mnt')
    const run = startPodfs(t, [
      'mount',
      '--backend',
      name,
      path.join(dir, 'conf'),
      mountpoint,
    ])
    await run.saw(/ready/)
    t.equal(await readFile(path.join(mountpoint, 'colour'), 'utf8'), 'blue\n')
    await writeFile(path.join(dir, 'conf/colour'), 'red\n')
    await eventually(
      async () =>
        (await readFile(path.join(mountpoint, 'colour'), 'utf8').catch(
          () => '',
        )) === 'red\n',
    )
    if (isRoot || name !== 'dir')
      await t.rejects(writeFile(path.join(mountpoint, 'x'), ''), {
        code: 'EROFS',
      })
    run.child.kill('SIGINT')
    const { code } = await run.ended
    t.equal(code, 0)
    t.notOk(existsSync(mountpoint))
    t.strictSame(podfsMounts(), [])
  })

t.test('backend: in podfs.yaml; --backend wins', { skip }, async t => {
  const dir = t.testdir({
    conf: { key: 'x' },
    'podfs.yaml': 'backend: dir\n',
  })
  const mountpoint = path.join(dir, 'mnt')
  for (const [flags, type] of [
    [[], 'tmpfs'],
    [['--backend', 'fuse'], 'fuse.podfs'],
  ] as const) {
    const run = startPodfs(t, [
      'mount',
      '--config',
      path.join(dir, 'podfs.yaml'),
      ...flags,
      path.join(dir, 'conf'),
      mountpoint,
    ])
    await run.saw(/ready/)
    const mounts = await readFile('/proc/self/mounts', 'utf8')
    const shown = `${escapeMountPath(mountpoint)} ${type} `
    if (isRoot) t.match(mounts, `${shown}ro,`)
    // An ordinary user's is a plain directory, and of the other one the file server keeps it.
    else t.equal(mounts.includes(shown), type !== 'tmpfs')
    run.child.kill('SIGINT')
    await run.ended
  }
})

t.test('an unknown backend is a usage error', { skip }, async t => {
  const { code, stderr } = await podfs(t, [
    'mount',
    '--backend',
    'nfs',
    '/tmp',
    '/tmp/x',
  ])
  t.equal(code, 2)
  t.match(stderr, '--backend nfs: must be one of fuse, fuse-native, dir, auto')
})

/** podfs without CAP_SYS_ADMIN, as in a container. */
const wrapper = [
  'setpriv',
  '--bounding-set=-sys_admin',
  '--inh-caps=-sys_admin',
]

t.test(
  'without mount rights',
  { skip: skip || needsRoot('machine') },
  async t => {
    const dir = t.testdir({ conf: { key: 'x' } })
    const conf = path.join(dir, 'conf')
    const mountpoint = path.join(dir, 'mnt')

    for (const name of ['fuse', 'fuse-native'])
      t.test(
        `--backend ${name}: a platform error with what to type`,
        async t => {
          const { code, stderr } = await podfs(
            t,
            ['mount', '--backend', name, conf, mountpoint],
            { wrapper },
          )
          t.equal(code, 3, stderr)
          t.match(stderr, /^error: /m)
          t.match(stderr, '--backend dir')
          t.notOk(existsSync(mountpoint))
        },
      )

    t.test('--backend auto: a plain directory, and says why', async t => {
      const run = startPodfs(
        t,
        ['mount', '--backend', 'auto', conf, mountpoint],
        { wrapper },
      )
      await run.saw(/ready/)
      t.equal(await readFile(path.join(mountpoint, 'key'), 'utf8'), 'x')
      t.equal((await stat(mountpoint)).mode & 0o7777, 0o700)
      run.child.kill('SIGINT')
      const { code, stderr } = await run.ended
      t.equal(code, 0)
      t.match(stderr, 'backend chosen')
      t.match(stderr, 'a plain directory')
      t.notOk(existsSync(mountpoint))
    })

    t.test('what a killed one left, the next one clears away', async t => {
      const start = () =>
        startPodfs(t, ['mount', '--backend', 'dir', conf, mountpoint], {
          wrapper,
        })
      const first = start()
      await first.saw(/ready/)
      first.child.kill('SIGKILL')
      await first.ended
      t.ok((await readdir(mountpoint)).includes('key'))
      const second = start()
      await second.saw(/ready/)
      second.child.kill('SIGKILL')
      await second.ended
      const { code } = await podfs(t, ['unmount', mountpoint])
      t.equal(code, 0)
      t.notOk(existsSync(mountpoint))
    })
  },
)

t.test(
  'run without FUSE: the error, and nothing has begun',
  { skip: skip || needsRoot('machine') },
  async t => {
    const hidden = 'mount --bind /dev/null /dev/fuse && exec "$@"'
    const { code, stdout, stderr } = await podfs(
      t,
      ['run', '--backend', 'fuse', '-f', 'examples/quickstart'],
      { wrapper: ['unshare', '--mount', 'sh', '-c', hidden, 'sh'] },
    )
    t.equal(code, 3)
    t.equal(stdout, '')
    t.match(stderr, /^error: .*\n {2}podfs doctor; .*--backend dir\n$/)
    t.strictSame(podfsMounts(), [])
  },
)
