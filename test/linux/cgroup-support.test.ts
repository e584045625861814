import t from 'tap'
import { cgroupSupport } from '../../src/linux/cgroup-support.ts'
import type { Hierarchy } from '../../src/linux/cgroups.ts'

const v2 = (...controllers: string[]): Hierarchy => ({
  version: 2,
  mountpoint: '/c',
  controllers,
})
const machine = {
  hierarchies: [v2('memory', 'cpu')],
  isRoot: true,
  isEnvBusybox: false,
}

t.test('what podfs can do with the cgroups of a machine', async t => {
  t.same(cgroupSupport(machine), { hierarchies: machine.hierarchies })
  const lacks = (facts: Partial<typeof machine>) => {
    const { hierarchies, lack } = cgroupSupport({ ...machine, ...facts })
    return [hierarchies.length, lack?.why, lack?.fix]
  }
  t.match(lacks({ isRoot: false }), [0, /ordinary user/, /as root/])
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
})
