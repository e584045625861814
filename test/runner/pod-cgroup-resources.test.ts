import t from 'tap'
import type { Container, Pod, PodSpec } from '../../src/api/types.ts'
import {
  containerCgroupResources,
  hasResources,
  oomScoreAdjust,
  podCgroupResources,
} from '../../src/runner/launch/pod-cgroup-resources.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

/** `cpu 500m, memory 20Mi / cpu 250m`: limits / requests. */
function resources(text: string): Container['resources'] {
  const [limits = '', requests = ''] = text.split('/')
  const list = (text: string): ReadonlyMap<string, string> =>
    new Map(
      text
        .split(',')
        .map(each => each.trim())
        .filter(each => each !== '')
        .map(each => each.split(' ') as [string, string]),
    )
  return { limits: list(limits), requests: list(requests) }
}

const containers = (...texts: string[]): readonly Container[] =>
  texts.map((text, i) =>
    makeContainer({ name: `c${i}`, resources: resources(text) }),
  )

const podOf = (spec: Partial<PodSpec>): Pod => makePod({ spec })
const mib = 1n << 20n

t.test('which Pods have cgroups for their resources', async t => {
  const has = (spec: Partial<PodSpec>): boolean => hasResources(podOf(spec))
  t.notOk(has({}))
  t.notOk(has({ containers: containers('ephemeral-storage 1Gi', 'cpu 0') }))
  t.ok(has({ containers: containers('', '/cpu 1m') }))
  t.ok(has({ initContainers: containers('memory 1Mi') }))
  t.ok(has({ resources: resources('hugepages-2Mi 2Mi') }))
})

t.test('of a container', async t => {
  const of = (text: string, ofPod = '') => {
    const pod = podOf({
      containers: containers(text),
      resources: resources(ofPod),
    })
    return containerCgroupResources(pod, pod.spec.containers[0] as Container)
  }
  const hugePages = new Map()
  t.same(of('cpu 500m, memory 20Mi'), {
    cpuShares: 512,
    cpuQuota: 50_000,
    memory: 20n * mib,
    hugePages,
  })
  t.same(of(''), { cpuShares: 2, hugePages })
  t.same(of('cpu 1m / cpu 1m'), { cpuShares: 2, cpuQuota: 1000, hugePages })
  t.same(of('cpu 2 / cpu 250m'), {
    cpuShares: 256,
    cpuQuota: 200_000,
    hugePages,
  })
  t.same(of('/cpu 1000, memory 5Mi'), { cpuShares: 262_144, hugePages })
  t.same(of('memory 8Mi', 'cpu 250m, memory 64Mi'), {
    cpuShares: 256,
    cpuQuota: 25_000,
    memory: 8n * mib,
    hugePages,
  })
  t.same(
    of('memory 8Mi, hugepages-2Mi 4Mi').hugePages,
    new Map([[2n * mib, 4n * mib]]),
  )
})

t.test('of a Pod', async t => {
  const hugePages = new Map()
  const of = (spec: Partial<PodSpec>) => podCgroupResources(podOf(spec))
  const guaranteed = containers('cpu 1, memory 8Mi', 'cpu 500m, memory 2Mi')
  t.same(of({ containers: guaranteed }), {
    cpuShares: 1536,
    cpuQuota: 150_000,
    memory: 10n * mib,
    hugePages,
  })
  // Who has no limit has the machine's.
  t.same(of({ containers: containers('memory 8Mi', 'cpu 1, memory 2Mi') }), {
    cpuShares: 1024,
    memory: 10n * mib,
    hugePages,
  })
  t.same(of({ containers: containers('', '') }), { cpuShares: 2, hugePages })
  const sidecar = (text: string): Container =>
    makeContainer({
      name: 's',
      restartPolicy: 'Always',
      resources: resources(text),
    })
  t.same(
    of({
      initContainers: [
        sidecar('memory 1Mi, cpu 1m'),
        ...containers('memory 90Mi, cpu 1m'),
      ],
      containers: containers('memory 8Mi, cpu 1m'),
    }).memory,
    91n * mib,
  )
  t.same(
    of({
      containers: containers('', 'memory 1Mi'),
      resources: resources('memory 64Mi / cpu 250m'),
    }),
    { cpuShares: 256, memory: 64n * mib, hugePages },
  )
  t.same(
    of({
      containers: containers(
        'cpu 1, hugepages-2Mi 2Mi',
        'cpu 1, hugepages-2Mi 4Mi',
      ),
    }).hugePages,
    new Map([[2n * mib, 6n * mib]]),
  )
})

t.test('the order in which the kernel takes them', async t => {
  const gib = 1024n * mib
  const scores = (spec: Partial<PodSpec>): readonly number[] => {
    const pod = podOf(spec)
    return [...pod.spec.initContainers, ...pod.spec.containers].map(each =>
      oomScoreAdjust(pod, each, 10n * gib),
    )
  }
  t.same(scores({ containers: containers('', '') }), [1000, 1000])
  t.same(scores({ containers: containers('cpu 1, memory 1Gi') }), [-997])
  t.same(
    scores({
      containers: containers(
        '/memory 1Gi',
        '/memory 10Gi',
        '/memory 1',
        'cpu 1',
      ),
    }),
    [900, 3, 999, 999],
  )
  t.same(
    scores({
      containers: containers('memory 1Gi', ''),
      resources: resources('memory 3Gi / memory 3Gi'),
    }),
    // 2Gi that no container has asked for, 1Gi for each.
    [800, 900],
  )
  const init = { name: 's', resources: resources('/memory 1Mi') }
  const regular = containers('/memory 1Gi', '/memory 2Gi')
  t.same(
    scores({
      initContainers: [makeContainer({ ...init, restartPolicy: 'Always' })],
      containers: regular,
    }),
    [900, 900, 800],
    'a sidecar is not before the regular ones',
  )
  t.same(
    scores({ initContainers: [makeContainer(init)], containers: regular }),
    [999, 900, 800],
  )
})
