import t from 'tap'
import { cgroupSupport } from '../../src/linux/cgroup-support.ts'
import type { Hierarchy } from '../../src/linux/cgroups.ts'

const v2 = (...controllers: string[]): Hierarchy => ({
  version: 2,
  base: '/c',
  place: '/',
  controllers,
})
const machine = {
  hierarchies: [v2('memory', 'cpu')],
  isRoot: true,
  managed: undefined as readonly string[] | undefined,
  isEnvBusybox: false,
}

t.test('what podfs can do with the cgroups of a machine', async t => {
  t.same(cgroupSupport(machine), { hierarchies: machine.hierarchies })
  const lacks = (facts: Partial<typeof machine>) => {
    const { hierarchies, lack } = cgroupSupport({ ...machine, ...facts })
    return [hierarchies.length, lack?.why, lack?.fix]
  }
  t.match(lacks({ isEnvBusybox: true }), [0, /busybox/, /coreutils/])
  t.match(lacks({ hierarchies: [] }), [0, /no cgroup can/, /remount,rw/])
  t.match(lacks({ hierarchies: [v2('hugetlb', 'memory')] }), [
    1,
    'there is no controller cpu',
    /cgroup/,
  ])
  t.match(lacks({ hierarchies: [v2()] }), [
    1,
    'there is no controller memory and none cpu',
    /cgroup/,
  ])
  // An ordinary user, whose own systemd may have some to give.
  const nothing = { isRoot: false, hierarchies: [] }
  t.match(lacks(nothing), [0, /^no cgroup is delegated/, /as root/])
  t.match(lacks({ ...nothing, managed: ['cpu', 'memory', 'pids'] }), [
    0,
    /^no cgroup is delegated/,
    'systemd-run --user --scope -p Delegate=yes podfs ...',
  ])
  t.match(lacks({ ...nothing, managed: ['memory', 'pids'] }), [
    0,
    /^no cgroup is delegated/,
    /^sudo mkdir .*Delegate=yes.*user@\.service\.d\/podfs\.conf; then log in anew$/,
  ])
  t.match(
    lacks({
      isRoot: false,
      hierarchies: [v2('memory')],
      managed: ['cpu', 'memory'],
    }),
    [1, 'there is no controller cpu', /^systemd-run --user/],
  )
  t.same(cgroupSupport({ ...machine, isRoot: false }), {
    hierarchies: machine.hierarchies,
  })
})
