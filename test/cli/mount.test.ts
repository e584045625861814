import t from 'tap'
import { shellWord } from '../../src/util/shell-word.ts'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import {
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import {
  eventually,
  isRunning,
  mountsOfOne,
  noteDetached,
  podfs,
  podfsMounts,
  startPodfs,
} from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

const manifest = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue, size: large}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: web, image: nginx}]
  volumes:
  - {name: config, configMap: {name: settings}}
  - {name: secret, secret: {secretName: login, defaultMode: 0400}}
  - name: info
    downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
  - {name: cache, emptyDir: {}}
`

async function save(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

t.test('a directory becomes a ConfigMap volume and follows it', async t => {
  const dir = t.testdir({ conf: { colour: 'blue\n' } })
  const mountpoint = path.join(dir, 'mnt')
  const run = startPodfs(t, ['mount', path.join(dir, 'conf'), mountpoint])
  await run.saw(new RegExp(`^podfs: ${mountpoint} ready \\(1 volume\\)\n$`))
  t.equal(await readFile(path.join(mountpoint, 'colour'), 'utf8'), 'blue\n')
  t.equal(await readlink(path.join(mountpoint, 'colour')), '..data/colour')
  await save(path.join(dir, 'conf/colour'), 'red\n')
  await eventually(
    async () =>
      (await readFile(path.join(mountpoint, 'colour'), 'utf8')) === 'red\n',
  )
  run.child.kill('SIGINT')
  const { code, stderr } = await run.ended
  t.equal(code, 0)
  t.equal(stderr, '')
  t.notOk(existsSync(mountpoint), 'a mount point that was made is removed')
  t.strictSame(podfsMounts(), [])
})

t.test('all volumes of a Pod, each in its directory', async t => {
  const dir = t.testdir({ 'pod.yaml': manifest, mnt: {} })
  const mountpoint = path.join(dir, 'mnt')
  const run = startPodfs(t, [
    'mount',
    '-f',
    path.join(dir, 'pod.yaml'),
    mountpoint,
  ])
  await run.saw(/ready \(3 volumes\)/)
  t.strictSame((await readdir(mountpoint)).sort(), ['config', 'info', 'secret'])
  const read = (file: string) => readFile(path.join(mountpoint, file), 'utf8')
  t.equal(await read('config/colour'), 'blue')
  t.equal(await read('info/labels'), 'app="web"')
  t.equal(await read('secret/password'), 'hunter2')
  t.equal(
    (await stat(path.join(mountpoint, 'secret/password'))).mode & 0o777,
    0o400,
  )
  t.match(
    run.stderr(),
    /volume "cache" is an emptyDir, a hostPath or a claim: left out/,
  )

  await t.test('changes of objects and of labels are live', async () => {
    await save(
      path.join(dir, 'pod.yaml'),
      manifest.replace('blue', 'green').replace('app: web', 'app: shop'),
    )
    await eventually(async () => (await read('config/colour')) === 'green')
    await eventually(async () => (await read('info/labels')) === 'app="shop"')
  })

  await t.test('a broken file is told once and changes nothing', async t => {
    await save(
      path.join(dir, 'pod.yaml'),
      manifest.replace('data: {', 'data: [{'),
    )
    await run.saw(/error: .*pod\.yaml:\d+:\d+: /, 'stderr')
    t.equal(await read('config/colour'), 'green')
    await save(path.join(dir, 'pod.yaml'), manifest)
    await eventually(async () => (await read('config/colour')) === 'blue')
    t.equal(run.stderr().match(/error:/g)?.length, 1)
  })

  run.child.kill('SIGTERM')
  t.equal((await run.ended).code, 0)
  t.ok(existsSync(mountpoint), 'a mount point that was there stays')
  t.strictSame(await readdir(mountpoint), [])
})

t.test(
  'one volume, one ConfigMap, one Secret: right at the mount point',
  async t => {
    const dir = t.testdir({ 'pod.yaml': manifest })
    const cases = [
      {
        flags: ['--pod', 'web', '--volume', 'config'],
        file: 'size',
        text: 'large',
      },
      { flags: ['--configmap', 'settings'], file: 'colour', text: 'blue' },
      { flags: ['--secret', 'login'], file: 'password', text: 'hunter2' },
    ]
    for (const { flags, file, text } of cases) {
      const mountpoint = path.join(dir, 'mnt')
      const run = startPodfs(t, [
        'mount',
        '-f',
        path.join(dir, 'pod.yaml'),
        ...flags,
        mountpoint,
      ])
      await run.saw(/ready \(1 volume\)/)
      t.equal(
        await readFile(path.join(mountpoint, file), 'utf8'),
        text,
        flags.join(' '),
      )
      run.child.kill('SIGINT')
      t.equal((await run.ended).code, 0)
    }
  },
)

t.test('--detach returns when ready; unmount ends it', async t => {
  const dir = t.testdir({ 'pod.yaml': manifest, mnt: {} })
  const mountpoint = path.join(dir, 'mnt')
  const mount = [
    'mount',
    '--detach',
    '-f',
    path.join(dir, 'pod.yaml'),
    '--configmap',
    'settings',
    mountpoint,
  ]
  const { code, stdout, stderr } = await podfs(t, mount)
  t.equal(code, 0, stderr)
  t.match(stdout, /^\d+\n$/)
  noteDetached(stdout)
  t.teardown(() => podfs(t, ['unmount', '--lazy', mountpoint]))
  t.equal(await readFile(path.join(mountpoint, 'colour'), 'utf8'), 'blue')

  const again = await podfs(t, mount)
  t.equal(again.code, 1)
  t.equal(
    again.stderr,
    `error: ${mountpoint} is already served by podfs with pid ${stdout.trim()}\n  podfs unmount ${shellWord(mountpoint)}\n`,
  )

  const holder = spawn('sleep', ['1000'], { cwd: mountpoint, stdio: 'ignore' })
  t.teardown(() => holder.kill('SIGKILL'))
  const busy = await podfs(t, ['unmount', mountpoint])
  t.equal(busy.code, 1)
  t.equal(
    busy.stderr,
    `error: ${mountpoint} is busy: sleep (pid ${holder.pid})\n  end them, or: podfs unmount --lazy ${shellWord(mountpoint)}\n`,
  )
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const unmount = await podfs(t, ['unmount', mountpoint])
  t.equal(unmount.code, 0, unmount.stderr)
  t.strictSame(podfsMounts(), [])
  t.notOk(isRunning(Number(stdout)))
})

t.test('what cannot be done is said in one line', async t => {
  const dir = t.testdir({
    'pod.yaml': manifest,
    full: { file: '' },
    bad: { 'a.yaml': 'a: [\n' },
  })
  await mkdir(path.join(dir, 'mnt'))
  const file = path.join(dir, 'pod.yaml')
  const mnt = path.join(dir, 'mnt')
  const cases = [
    { args: [], code: 2, error: 'no MOUNTPOINT was given' },
    { args: [mnt], code: 2, error: 'what is to be mounted?' },
    {
      args: ['-f', file, path.join(dir, 'full')],
      code: 2,
      error: `${dir}/full is not empty`,
    },
    { args: ['-f', file, file], code: 2, error: `${file} is not a directory` },
    {
      args: ['-f', file, '--configmap', 'setings', mnt],
      code: 2,
      error: 'no ConfigMap default/setings',
      fix: 'did you mean settings?',
    },
    {
      args: ['-f', file, '--pod', 'nope', mnt],
      code: 2,
      error: 'no Pod default/nope',
      fix: 'there is: web',
    },
    {
      args: ['-f', file, '--volume', 'confg', mnt],
      code: 2,
      fix: 'did you mean config?',
    },
    {
      args: ['-f', file, '--volum', 'config', mnt],
      code: 2,
      error: 'unknown flag --volum',
      fix: 'did you mean --volume?',
    },
    {
      args: ['-f', path.join(dir, 'missing.yaml'), mnt],
      code: 2,
      error: 'missing.yaml',
    },
    { args: ['-f', path.join(dir, 'bad'), mnt], code: 1, error: 'a.yaml:' },
    {
      args: ['-f', file, '--secret', 'login', '--configmap', 'settings', mnt],
      code: 2,
      error: 'exclude each other',
    },
  ]
  for (const { args, code, error, fix } of cases) {
    const ended = await podfs(t, ['mount', ...args])
    t.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}`)
    t.match(ended.stderr, /^error: /)
    if (error !== undefined) t.ok(ended.stderr.includes(error), ended.stderr)
    if (fix !== undefined)
      t.ok(ended.stderr.includes(`  ${fix}\n`), ended.stderr)
    t.notMatch(ended.stderr, /^ +at /m, 'no stack trace')
    t.equal(ended.stdout, '')
  }
  t.strictSame(podfsMounts(), [])
})

t.test('after kill -9', async t => {
  const dir = t.testdir({ 'pod.yaml': manifest })
  const mountpoint = path.join(dir, 'mnt')
  const mount = [
    'mount',
    '-f',
    path.join(dir, 'pod.yaml'),
    '--configmap',
    'settings',
    mountpoint,
  ]
  const colour = () => readFile(path.join(mountpoint, 'colour'), 'utf8')

  await t.test('a detached mount serves on until unmount', async t => {
    const { stdout } = await podfs(t, [...mount, '--detach'])
    const pid = noteDetached(stdout)
    process.kill(pid, 'SIGKILL')
    await eventually(() => !isRunning(pid))
    t.equal(await colour(), 'blue')
    const { code, stderr } = await podfs(t, ['unmount', mountpoint])
    t.equal(code, 0, stderr)
    t.strictSame(podfsMounts(), [])
    t.notOk(existsSync(mountpoint), 'it was made for the mount')
  })

  await t.test('a new podfs takes the mount point of a killed one', async t => {
    const killed = startPodfs(t, mount)
    await killed.saw(/ready/)
    killed.child.kill('SIGKILL')
    await killed.ended
    t.equal(await colour(), 'blue', 'it serves on for a while')
    const next = startPodfs(t, mount)
    await next.saw(/ready/)
    t.equal(await colour(), 'blue')
    t.equal(podfsMounts().length, mountsOfOne)
    next.child.kill('SIGTERM')
    t.equal((await next.ended).code, 0)
    t.strictSame(podfsMounts(), [])
  })
})

t.test('somebody else unmounts it: podfs says so and ends', async t => {
  const dir = t.testdir({ conf: { colour: 'blue' } })
  const mountpoint = path.join(dir, 'mnt')
  const run = startPodfs(t, ['mount', path.join(dir, 'conf'), mountpoint])
  await run.saw(/ready/)
  execFileSync('umount', [mountpoint])
  const { code, stderr } = await run.ended
  t.equal(code, 1)
  t.equal(
    stderr,
    `error: the mount at ${mountpoint} is lost: somebody else has unmounted it, or renamed a directory above it\n`,
  )
  t.strictSame(podfsMounts(), [])
})

t.test('umount, and mount again at once', async t => {
  const dir = t.testdir({ conf: { colour: 'blue' } })
  const mountpoint = path.join(dir, 'mnt')
  const args = ['mount', path.join(dir, 'conf'), mountpoint]
  const first = startPodfs(t, args)
  await first.saw(/ready/)
  execFileSync('umount', [mountpoint])
  const second = startPodfs(t, args)
  await second.saw(/ready/)
  t.equal((await first.ended).code, 1)
  second.child.kill('SIGTERM')
  t.match(await second.ended, { code: 0, stderr: '' })
  t.strictSame(podfsMounts(), [])
})

t.test('a mount point has one name, however it is reached', async t => {
  const dir = t.testdir({
    conf: { colour: 'blue' },
    mnt: {},
    link: t.fixture('symlink', 'mnt'),
  })
  const { stdout } = await podfs(t, [
    'mount',
    '-d',
    path.join(dir, 'conf'),
    path.join(dir, 'link'),
  ])
  noteDetached(stdout)
  const { code, stderr } = await podfs(t, ['unmount', path.join(dir, 'mnt')])
  t.equal(code, 0, stderr)
  t.notOk(isRunning(Number(stdout)))
  t.strictSame(podfsMounts(), [])
})

t.test('a mount that waits can be asked what for', async t => {
  const dir = t.testdir({
    'pod.yaml': manifest.slice(manifest.lastIndexOf('---') + 4),
  })
  const run = startPodfs(t, [
    'mount',
    '-f',
    path.join(dir, 'pod.yaml'),
    path.join(dir, 'mnt'),
  ])
  await run.saw(/configmap "settings" not found/, 'stderr')
  t.match(await podfs(t, ['get', 'volumes', '--session', String(run.pid)]), {
    code: 0,
    stdout: / configmap "settings" not found$/m,
  })
  t.equal(run.stdout(), '', 'it is not ready')
  run.child.kill('SIGINT')
  t.match(await run.ended, { code: 0, stdout: '' })
  t.strictSame(podfsMounts(), [])
})

t.test('Ctrl-C of a --detach that still waits ends both', async t => {
  const dir = t.testdir({
    'pod.yaml': manifest.slice(manifest.lastIndexOf('---') + 4),
  })
  const mountpoint = path.join(dir, 'mnt')
  const run = startPodfs(t, [
    'mount',
    '-d',
    '-f',
    path.join(dir, 'pod.yaml'),
    mountpoint,
  ])
  await run.saw(/configmap "settings" not found/, 'stderr')
  const child = Number(
    readFileSync(`/proc/${run.pid}/task/${run.pid}/children`, 'utf8'),
  )
  noteDetached(String(child))
  run.child.kill('SIGINT')
  await run.ended
  t.notOk(isRunning(child))
  t.notOk(existsSync(mountpoint))
  t.strictSame(podfsMounts(), [])
})
