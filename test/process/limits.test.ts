import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { CgroupResources } from '../../src/linux/cgroup-files.ts'
import { containerUsage } from '../../src/server/container-usage.ts'
import { systemClock } from '../../src/util/clock.ts'
import { cgroupsOf, hierarchies, needsLimits } from '../helpers/cgroups.ts'
import {
  isAlive,
  makeSandbox,
  mayMount,
  needsRoot,
  type Sandbox,
} from './sandbox.ts'

const skip = needsRoot || needsLimits

const nothing: CgroupResources = { hugePages: new Map() }
const mib = 1n << 20n

const limited = async (
  t: Test,
  resources: CgroupResources = nothing,
): Promise<Sandbox> =>
  await makeSandbox(
    t,
    {},
    { hostname: 'pod-1', ipc: 'pod', pid: 'container', resources },
  )

t.test('who uses too much memory is killed', { skip }, async t => {
  const { sh } = await limited(t)
  const resources = { ...nothing, memory: 20n * mib }
  t.match(await sh('exec tail /dev/zero', { resources }), {
    exitCode: 137,
    isOutOfMemory: true,
  })
  // Whoever of them it was: containerd tells of it all the same.
  t.match(await sh('tail /dev/zero; exit 0', { resources }), {
    isOutOfMemory: true,
  })
  t.equal((await sh('exit 3', { resources })).isOutOfMemory, undefined)
  t.equal((await sh('kill -9 $$', { resources })).isOutOfMemory, undefined)
})

t.test('the Pod’s limit is that of all its containers', { skip }, async t => {
  const { start, sh } = await limited(t, { ...nothing, memory: 64n * mib })
  const other = await start(['sh', '-c', 'echo up; exec sleep 1000'])
  await other.says('up')
  t.match(await sh('exec tail /dev/zero'), { isOutOfMemory: true })
  t.ok(isAlive(other.pid))
})

t.test('the limits are there before the program', { skip }, async t => {
  const { sh } = await limited(t)
  const v1 = hierarchies.find(({ version }) => version === 1)
  const see =
    v1 === undefined
      ? 'cd /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup); cat cpu.max cpu.weight memory.max'
      : `of() { echo ${path.dirname(v1.base)}/$1$(sed -n "s/^[0-9]*:$1://p" /proc/self/cgroup); }
         cat $(of cpu)/cpu.cfs_quota_us $(of cpu)/cpu.shares $(of memory)/memory.limit_in_bytes`
  const { output } = await sh(see, {
    resources: {
      ...nothing,
      memory: 64n * mib,
      cpuQuota: 50_000,
      cpuShares: 512,
    },
  })
  t.same(
    output.trim().split('\n'),
    v1 === undefined
      ? ['50000 100000', '20', '67108864']
      : ['50000', '512', '67108864'],
  )
})

t.test('nobody leaves his cgroup', { skip }, async t => {
  const { start } = await limited(t)
  const places = hierarchies.map(({ base }) => base).join(' ')
  const container = await start(
    [
      'sh',
      '-c',
      `for place in ${places}; do
         echo 0 >$place/cgroup.procs; mount -o remount,rw $place; echo 0 >$place/cgroup.procs
       done 2>/dev/null
       (setsid sleep 1000 &) ; echo up; exec sleep 1000`,
    ],
    { rights: mayMount },
  )
  await container.says('up')
  t.equal(cgroupsOf(container.pid).length, hierarchies.length)
  const looks = await container.container.exec(
    ['sh', '-c', 'grep -c podfs /proc/self/cgroup'],
    new AbortController().signal,
  )
  t.same(looks, { exitCode: 0, output: `${hierarchies.length}\n` })
})

t.test('the environment comes through as it is', { skip }, async t => {
  const { run } = await limited(t)
  const env = new Map([
    ['PATH', '/usr/bin:/bin'],
    ['data-1', 'a  b'],
    ['#@!"\\$x', '"$HOME" \\n `id` ${_0}'],
    ['1-x', 'two\nlines'],
    ['-u', ''],
    ['__proto__', 'p'],
    ['PS4', '$(id)'],
    ['BASH_ENV', '/etc/passwd'],
    ['SHELLOPTS', 'xtrace'],
    ['IFS', 'x'],
    ['PWD', '/nowhere'],
    ['_0', 'mine'],
    ['LD_BIND_NOW', '1'],
  ])
  const { output } = await run(['/usr/bin/env', '-0'], { env })
  t.same(
    output.split('\0').toSorted(),
    ['', ...[...env].map(pair => pair.join('='))].toSorted(),
  )
})

t.test('as another user', { skip }, async t => {
  const { sh } = await limited(t)
  const user = { uid: 65_534, gid: 65_534, supplementalGroups: [] }
  const { output } = await sh('id -u; grep -c podfs /proc/self/cgroup', {
    user,
  })
  t.equal(output, `65534\n${hierarchies.length}\n`)
})

t.test('what cannot be executed is told of', { skip }, async t => {
  const { run } = await limited(t)
  await t.rejects(run(['no-such-program']), {
    message: /no-such-program.*not found/,
  })
})

t.test('a cgroup ends with its container', { skip }, async t => {
  const { start, runtime } = await limited(t)
  const container = await start(['sh', '-c', 'echo up; exec sleep 1000'])
  await container.says('up')
  const places = cgroupsOf(container.pid)
  t.equal(places.length, hierarchies.length)
  container.container.signal('SIGKILL')
  await container.exited
  await runtime.close()
  for (const place of places) {
    t.notOk(existsSync(place))
    t.notOk(existsSync(path.dirname(place)), 'nor that of the Pod')
  }
})

t.test('without a PID namespace of its own', { skip }, async t => {
  for (const pid of ['node', 'pod'] as const) {
    const { start } = await makeSandbox(
      t,
      {},
      { hostname: 'pod-1', ipc: 'pod', pid },
    )
    const container = await start(
      [
        'sh',
        '-c',
        // Another root in another mount namespace, as that of a container within.
        `unshare --mount sh -c 'mount -t tmpfs other /mnt; cd /mnt; mkdir old; mkfifo wait; pivot_root . old
           umount -l old; echo up; read -r end <wait' &
         exec sleep 1000`,
      ],
      { rights: mayMount },
    )
    await container.says('up')
    const [place = ''] = cgroupsOf(container.pid)
    const procs = readFileSync(`${place}/cgroup.procs`, 'utf8').trim()
    const pids = procs.split('\n').map(Number)
    t.ok(pids.length >= 3, `${pids.length} processes`)
    container.container.signal('SIGKILL')
    t.match(await container.exited, { exitCode: 137 })
    t.notOk(pids.some(isAlive), 'nobody is left')
  }
})

t.test('what a cgroup uses is what its container uses', { skip }, async t => {
  const { start } = await makeSandbox(
    t,
    {},
    { hostname: 'pod-1', ipc: 'pod', pid: 'node' },
  )
  const container = await start(
    [
      'sh',
      '-c',
      // Nobody's child any more, in another mount namespace: known by its cgroup alone.
      `(setsid unshare --mount sh -c 'while :; do :; done' &); echo up; exec sleep 1000`,
    ],
    { rights: mayMount },
  )
  await container.says('up')
  const usage = (await containerUsage([container.pid], systemClock)).get(
    container.pid,
  )
  t.ok((usage?.cpuNanos ?? 0) > 2e7, `${usage?.cpuNanos} billionths of a core`)
  t.ok((usage?.memoryBytes ?? 0) > 0, `${usage?.memoryBytes} bytes`)
})

t.test('what a container has written', { skip: needsRoot }, async t => {
  const { start, directory } = await makeSandbox(t)
  const container = await start([
    'sh',
    '-c',
    `head -c 3m /dev/zero >/etc/large; head -c 2m /dev/zero >/var/large
     head -c 9m /dev/zero >${directory}/volume; echo up; exec sleep 1000`,
  ])
  await container.says('up')
  const bytes = Number(await container.container.writtenBytes?.())
  t.ok(bytes >= 5 * 2 ** 20 && bytes < 6 * 2 ** 20, `${bytes} bytes`)
})

t.test('who is killed first', { skip: needsRoot }, async t => {
  const see = 'sleep 1000 & cat /proc/$!/oom_score_adj; echo up; wait'
  const own = (): string => readFileSync('/proc/self/oom_score_adj', 'utf8')
  const before = own()
  for (const make of [makeSandbox, limited]) {
    const { start } = await make(t)
    const container = await start(['sh', '-c', see], { oomScoreAdjust: 777 })
    await container.says('up')
    t.equal(container.output, '777\nup\n')
    const { output } = await container.container.exec(
      ['cat', '/proc/self/oom_score_adj'],
      new AbortController().signal,
    )
    t.equal(output, '777\n')
    t.equal(own(), before, 'podfs’s own is as it was')
  }
})
