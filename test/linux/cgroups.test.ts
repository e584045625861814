import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cgroupFiles } from '../../src/linux/cgroup-files.ts'
import {
  Cgroup,
  findHierarchies,
  type Hierarchy,
} from '../../src/linux/cgroups.ts'
import { readMountinfo, type Mount } from '../../src/linux/mountinfo.ts'
import { systemClock } from '../../src/util/clock.ts'
import { needsRootOfMachine } from '../helpers/capability.ts'

const nothing = { hugePages: new Map<bigint, bigint>() }

t.test('what is written into which file', async t => {
  const all = { controllers: ['memory', 'cpu', 'hugetlb'] }
  const resources = {
    memory: 20n << 20n,
    cpuShares: 512,
    cpuQuota: 50_000,
    hugePages: new Map([[2n << 20n, 4n << 20n]]),
  }
  const sizes = [64n << 10n, 2n << 20n, 1n << 30n]
  const lines = (
    version: 1 | 2,
    ...rest: [typeof resources | typeof nothing]
  ) =>
    cgroupFiles({ version, ...all }, ...rest, sizes).map(
      ({ file, value, optional }) => `${file} ${value}${optional ? ' ?' : ''}`,
    )
  t.same(lines(1, resources), [
    'memory.limit_in_bytes 20971520',
    'memory.memsw.limit_in_bytes 20971520 ?',
    'cpu.shares 512',
    'cpu.cfs_period_us 100000',
    'cpu.cfs_quota_us 50000',
    'hugetlb.64KB.limit_in_bytes 0',
    'hugetlb.2MB.limit_in_bytes 4194304',
    'hugetlb.1GB.limit_in_bytes 0',
  ])
  t.same(lines(2, resources), [
    'memory.max 20971520',
    'memory.swap.max 0 ?',
    'memory.oom.group 1 ?',
    'cpu.weight 20',
    'cpu.max 50000 100000',
    'hugetlb.64KB.max 0',
    'hugetlb.2MB.max 4194304',
    'hugetlb.1GB.max 0',
  ])
  t.same(
    cgroupFiles({ version: 2, controllers: ['memory'] }, nothing, sizes),
    [],
  )
  const weight = (cpuShares: number) =>
    cgroupFiles(
      { version: 2, controllers: ['cpu'] },
      { ...nothing, cpuShares },
      [],
    )[0]?.value
  t.same([2, 1024, 262_144].map(weight), ['1', '39', '10000'])
})

const ofRoot = needsRootOfMachine('limits')

t.test('which hierarchies are of use', { skip: ofRoot }, async t => {
  const root = t.testdir({
    v2: {
      'cgroup.controllers': 'cpuset cpu io memory pids\n',
      'cgroup.subtree_control': 'memory\n',
      'cgroup.procs': '',
    },
    within: {
      'cgroup.controllers': 'cpu memory\n',
      'cgroup.subtree_control': 'memory\n',
      'cgroup.procs': '17\n',
      'cgroup.type': 'domain\n',
    },
    memory: {},
    freezer: {},
    pids: {},
  })
  let device = 0
  const mount = (name: string, type: string, more = ''): Mount => ({
    id: 1,
    parentId: 1,
    device: `0:${(device += 1)}`,
    root: '/',
    mountpoint: path.join(root, name),
    options: ['rw'],
    propagation: 'private',
    type,
    source: type,
    superOptions: ['rw', ...more.split(',')],
  })
  const found = (...mounts: Mount[]) =>
    findHierarchies(mounts, undefined).map(({ version, base, controllers }) =>
      [version, path.basename(base), ...controllers].join(' '),
    )
  const v1 = [
    mount('memory', 'cgroup', 'memory,cpuacct,cpu'),
    mount('freezer', 'cgroup', 'freezer'),
    mount('pids', 'cgroup', 'pids'),
    mount('absent', 'cgroup', 'hugetlb'),
    mount('memory', 'tmpfs', 'cpu'),
  ]
  const v2 = mount('v2', 'cgroup2')
  t.same(found(v2), ['2 v2 memory cpu'])
  t.same(found(mount('within', 'cgroup2')), ['2 within memory'])
  t.same(found(...v1), ['1 memory memory cpu cpuacct', '1 freezer freezer'])
  t.same(found(...v1, v2, { ...v2, id: 2 }), [
    '1 memory memory cpu cpuacct',
    '2 v2 memory cpu',
  ])
})

/** Of this machine, one version alone; the other is as if it were not there. */
function only(version: 1 | 2): readonly Hierarchy[] {
  if (version === 2)
    return findHierarchies().filter(hierarchy => hierarchy.version === 2)
  return findHierarchies(
    readMountinfo().filter(({ type }) => type === 'cgroup'),
  )
}

const names = new Set<string>()

function nameOf(what: string): string {
  const name = `test-${process.pid}-${what}`
  names.add(name)
  return name
}

/** Runs sh in the cgroup; resolves when it has said something. */
async function startIn(t: Test, cgroup: Cgroup, script: string) {
  const enter = 'for file; do echo 0 >"$file" || exit 1; done'
  const child = spawn(
    'sh',
    ['-c', `${enter}; ${script}`, 'sh', ...cgroup.entries],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

for (const version of [1, 2] as const) {
  const hierarchies = only(version)
  const skip =
    hierarchies.length === 0 && `needs cgroup v${version} and its root`

  t.test(`cgroups of v${version}`, { skip }, async t => {
    const of = (name: string, within: Cgroup): Cgroup =>
      within.makeChild(name, nothing)
    const pod = Cgroup.make(nameOf(`v${version}`), hierarchies, nothing)
    const one = of('one', pod)
    const other = of('other', pod)
    t.equal(Cgroup.find('test-of-nobody', hierarchies), undefined)

    await t.test('all that are in it are killed, and nobody else', async t => {
      const bystander = await startIn(t, other, 'echo up; exec sleep 1000')
      // Each makes two of itself, for as long as it lives: faster than one by one.
      const bomb = await startIn(
        t,
        one,
        'echo up; f() { sleep 1000 & while :; do setsid sleep 1000 & sleep .01; done; }; f & f',
      )
      const gone = once(bomb, 'exit')
      await one.kill(systemClock)
      t.same(await gone, [null, 'SIGKILL'])
      t.equal(bystander.exitCode, null)
      t.equal(bystander.signalCode, null)
      await one.remove(systemClock)
    })

    await t.test('one that another process has made', async t => {
      const left = await startIn(t, of('left', pod), 'echo up; exec sleep 1000')
      const gone = once(left, 'exit')
      const found = Cgroup.find(nameOf(`v${version}`), hierarchies)
      await found?.kill(systemClock)
      await gone
      await found?.remove(systemClock)
      for (const { base } of hierarchies)
        t.notOk(existsSync(path.join(base, 'podfs', nameOf(`v${version}`))))
    })
  })
}

const memory = findHierarchies().filter(({ controllers }) =>
  controllers.includes('memory'),
)

t.test(
  'want of memory is told of whose it was',
  { skip: memory.length === 0 && 'needs a memory controller and its root' },
  async t => {
    const pod = Cgroup.make(nameOf('oom'), memory, {
      ...nothing,
      memory: 64n << 20n,
    })
    const limited = pod.makeChild('a', { ...nothing, memory: 16n << 20n })
    const other = pod.makeChild('b', nothing)
    const hungry = await startIn(t, limited, 'echo up; exec tail /dev/zero')
    t.same(await once(hungry, 'exit'), [null, 'SIGKILL'])
    t.ok(limited.hasOomKills())
    t.notOk(other.hasOomKills())
    // The Pod's limit ends a container that has none.
    const unlimited = await startIn(t, other, 'echo up; exec tail /dev/zero')
    t.same(await once(unlimited, 'exit'), [null, 'SIGKILL'])
    t.ok(other.hasOomKills())
    await pod.kill(systemClock)
    await pod.remove(systemClock)
  },
)

t.test(
  'huge pages',
  {
    skip:
      !findHierarchies().some(({ controllers }) =>
        controllers.includes('hugetlb'),
      ) && 'needs the controller hugetlb',
  },
  async t => {
    const hierarchies = findHierarchies().filter(({ controllers }) =>
      controllers.includes('hugetlb'),
    )
    const pod = Cgroup.make(nameOf('huge'), hierarchies, {
      hugePages: new Map([[2n << 20n, 6n << 20n]]),
    })
    const [{ base, version }] = hierarchies as [Hierarchy]
    const value = (size: string): string =>
      readFileSync(
        path.join(
          base,
          'podfs',
          nameOf('huge'),
          `hugetlb.${size}.${version === 1 ? 'limit_in_bytes' : 'max'}`,
        ),
        'utf8',
      ).trim()
    t.equal(value('2MB'), String(6 << 20))
    if (existsSync('/sys/kernel/mm/hugepages/hugepages-1048576kB'))
      t.equal(value('1GB'), '0')
    await pod.remove(systemClock)
  },
)

t.test('what cannot be removed is an error', async t => {
  const directory = t.testdir()
  const hierarchy: Hierarchy = {
    version: 1,
    base: directory,
    place: '/',
    controllers: [],
  }
  await mkdir(path.join(directory, 'podfs/a'), { recursive: true })
  writeFileSync(path.join(directory, 'podfs/a/file'), '')
  const found = Cgroup.find('a', [hierarchy])
  await t.rejects(async () => await found?.remove(systemClock), {
    code: 'ENOTEMPTY',
  })
})

// Of a failed test.
t.teardown(async () => {
  const all = findHierarchies(readMountinfo())
  for (const name of names) {
    const cgroup = Cgroup.find(name, all)
    await cgroup?.kill(systemClock)
    await cgroup?.remove(systemClock)
  }
})
