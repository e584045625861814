/*
 * A machine that has run out of something: a clear error at the start; later the last state
 * stays, and is brought up to date when there is room again. Each podfs has a run-time
 * directory of its own, in a mount namespace of its own.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'
import {
  eventually,
  isRunning,
  noteDetached,
  podfs,
  startPodfs,
} from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = cannotStart() || needsRoot('machine')

const inNamespace = (script: string): string[] => [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  `${script} && exec "$@"`,
  'sh',
]
const tmpfs = (options: string): string =>
  `mount -t tmpfs -o mode=700,${options} podfs-test /run/podfs`
/** A /dev without fuse, on a tmpfs where devices cannot be opened. */
const devices =
  'mkdir -p /tmp/podfs-test-dev && mount -t tmpfs -o nodev podfs-test /tmp/podfs-test-dev && touch /tmp/podfs-test-dev/null && mount --bind /dev/null /tmp/podfs-test-dev/null'
/** Where there is none. */
const made = 'mkdir -p -m 700 /run/podfs && '

function world(t: Test) {
  const dir = t.testdir({ conf: { key: 'one' } })
  const mountpoint = path.join(dir, 'mnt')
  return { conf: path.join(dir, 'conf'), mountpoint }
}

for (const [what, wrapper, error] of [
  [
    'a run-time directory without space',
    inNamespace(
      `${made}${tmpfs('size=4k')} && head -c 4096 /dev/zero >/run/podfs/fill`,
    ),
    /^error: cannot use \/run\/podfs\/mount-\d+: ENOSPC: .*\n {2}df -h \S+; df -i \S+\n$/,
  ],
  [
    'a run-time directory without inodes',
    inNamespace(`${made}${tmpfs('nr_inodes=12')}`),
    /^error: cannot use \/run\/podfs: it has \d+ free inodes, podfs needs 32\n {2}df -i \/run\/podfs\n$/,
  ],
  [
    'a read-only run-time directory',
    inNamespace(
      // With something that is to be swept away.
      `${made}${tmpfs('size=100k')} && touch /run/podfs/mount-4194305.log && mount -o remount,ro /run/podfs`,
    ),
    /^error: cannot use \/run\/podfs: EROFS: .*\n {2}findmnt --target \S+\n$/,
  ],
  [
    'room for session.json and not for the journals',
    inNamespace(
      // A /tmp on the disk holds no journals, and may hold podfs.
      `${made}${tmpfs('size=8k')} && mount --bind /run/podfs /dev/shm && { [ "$(stat -f -c %T /tmp)" != tmpfs ] || mount --bind /run/podfs /tmp; }`,
    ),
    /^error: .*ENOSPC: .*\n {2}df -h .*\n$/,
  ],
  [
    'no descriptors',
    // The test runner's loader needs descriptors, too.
    ['prlimit', '--nofile=24', 'env', '-u', 'NODE_OPTIONS'],
    /^(warning: .*looked at only once a second.*\n.*\n)?error: [^]*EMFILE.*\n {2}ulimit -n 1024\n$/,
  ],
  [
    'no /dev/fuse',
    inNamespace(`${devices} && mount --bind /tmp/podfs-test-dev /dev`),
    /^error: cannot mount: \/dev\/fuse: not there\n {2}modprobe fuse; .*--device \/dev\/fuse.*\n$/,
  ],
  [
    'a /dev/fuse that may not be opened',
    inNamespace(
      `${devices} && cp -a /dev/fuse /tmp/podfs-test-dev && mount --bind /tmp/podfs-test-dev/fuse /dev/fuse`,
    ),
    /^error: cannot mount: \/dev\/fuse: mode \d+, cannot be opened: EACCES\n {2}\S.*\n$/,
  ],
  [
    'no right to mount',
    ['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'],
    /^error: cannot mount: rights: CAP_SYS_ADMIN is not held: .*\n {2}in a container: --cap-add SYS_ADMIN .*\n$/,
  ],
  [
    'a program of coreutils that cannot be run',
    inNamespace('mount --bind /dev/null "$(command -v mkfifo)"'),
    /^error: cannot mount: util-linux: not found: mkfifo\n {2}apt-get install util-linux mount coreutils\n$/,
  ],
] as const)
  t.test(`${what}: exit code 3, nothing left`, { skip }, async t => {
    const { conf, mountpoint } = world(t)
    const ended = await podfs(t, ['mount', conf, mountpoint], { wrapper })
    t.match(ended, { code: 3, stdout: '', stderr: error })
    t.throws(() => statSync(mountpoint), { code: 'ENOENT' })
  })

t.test('the journals are full: the last state stays', { skip }, async t => {
  const { conf, mountpoint } = world(t)
  const serving = startPodfs(t, ['mount', conf, mountpoint], {
    wrapper: inNamespace(`${made}${tmpfs('size=300k')}`),
  })
  await serving.saw(/ready/)
  const inside = (file: string): string => `/proc/${serving.pid}/root${file}`
  const key = (): Promise<string> =>
    readFile(inside(path.join(mountpoint, 'key')), 'utf8')
  const fill = inside('/run/podfs/fill')
  try {
    writeFileSync(fill, Buffer.alloc(1 << 20))
  } catch (error) {
    t.match(error, { code: 'ENOSPC' })
  }
  for (let n = 0; !/SetUp failed.*ENOSPC/.test(serving.stderr()); n++) {
    writeFileSync(path.join(conf, 'key'), `change ${n}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.notMatch(serving.stderr(), '/proc/self')
  const last = await key()
  writeFileSync(path.join(conf, 'key'), 'the last one')
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(await key(), last)
  rmSync(fill)
  await eventually(async () => (await key()) === 'the last one')
  serving.child.kill('SIGTERM')
  t.equal((await serving.ended).code, 0)
  t.notMatch(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    escapeMountPath(mountpoint),
  )
})

for (const adopts of [false, true])
  t.test(
    `descriptors run out while it serves${adopts ? ' an adopted mount' : ''}: the last state stays`,
    { skip },
    async t => {
      const { conf, mountpoint } = world(t)
      const start = () => startPodfs(t, ['mount', conf, mountpoint])
      let serving = start()
      await serving.saw(/ready/)
      if (adopts) {
        serving.child.kill('SIGKILL')
        await serving.ended
        serving = start()
        await serving.saw(/ready/)
      }
      const key = (): Promise<string> =>
        readFile(path.join(mountpoint, 'key'), 'utf8')
      const allow = (count: number): Buffer =>
        execFileSync('prlimit', [`--pid=${serving.pid}`, `--nofile=${count}:`])
      t.teardown(() => serving.child.exitCode ?? allow(1024))
      allow(4)
      for (let n = 0; !/too many open files/.test(serving.stderr()); n++) {
        writeFileSync(path.join(conf, 'key'), `change ${n}`)
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      t.equal(await key(), 'one')
      // Longer than from one look at its keeper to the next.
      if (adopts) await new Promise(resolve => setTimeout(resolve, 1000))
      writeFileSync(path.join(conf, 'key'), 'the last one')
      allow(1024)
      await eventually(async () => (await key()) === 'the last one')
      serving.child.kill('SIGTERM')
      t.equal((await serving.ended).code, 0)
      t.notMatch(serving.stderr(), /^ {4}at /m)
    },
  )

t.test('the log of a detached podfs is full: it goes on', { skip }, async t => {
  const { conf, mountpoint } = world(t)
  const { stdout, stderr } = await podfs(
    t,
    ['mount', conf, mountpoint, '--detach'],
    { wrapper: inNamespace(`${made}${tmpfs('size=300k')}`) },
  )
  const pid = noteDetached(stdout)
  t.ok(pid > 1, stderr)
  t.teardown(() => isRunning(pid) && process.kill(pid, 'SIGTERM'))
  const inside = (file: string): string => `/proc/${pid}/root${file}`
  const key = (): Promise<string> =>
    readFile(inside(path.join(mountpoint, 'key')), 'utf8')
  const fill = inside('/run/podfs/fill')
  t.throws(() => writeFileSync(fill, Buffer.alloc(1 << 20)), { code: 'ENOSPC' })
  for (let n = 0; n < 40; n++) {
    writeFileSync(path.join(conf, 'key'), `change ${n}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.ok(isRunning(pid))
  writeFileSync(path.join(conf, 'key'), 'the last one')
  rmSync(fill)
  await eventually(async () => (await key()) === 'the last one')
  process.kill(pid, 'SIGTERM')
  await eventually(() => !isRunning(pid))
})

t.test('without descriptors it still ends well', { skip }, async t => {
  const { conf, mountpoint } = world(t)
  const serving = startPodfs(t, ['mount', conf, mountpoint])
  await serving.saw(/ready/)
  execFileSync('prlimit', ['--pid', String(serving.pid), '--nofile=4'])
  serving.child.kill('SIGTERM')
  const { code, stderr } = await serving.ended
  t.equal(code, 0, stderr)
  t.notMatch(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    escapeMountPath(mountpoint),
  )
})

t.test('too few descriptors to detach', { skip }, async t => {
  const { conf, mountpoint } = world(t)
  const ended = await podfs(t, ['mount', conf, mountpoint, '--detach'], {
    wrapper: ['prlimit', '--nofile=20', 'env', '-u', 'NODE_OPTIONS'],
  })
  t.match(ended, {
    code: 3,
    stdout: '',
    stderr: /^error: [^]*EMFILE.*\n {2}ulimit -n 1024\n$/,
  })
})
