import t from 'tap'
import type { Pod, PodSpec, Volume } from '../../src/api/types.ts'
import {
  hasStorageLimit,
  whyEvicted,
} from '../../src/runner/lifecycle/eviction.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'
import { PodRunnerHarness } from '../helpers/pod-runner-harness.ts'

const emptyDir = (
  name: string,
  sizeLimit?: string,
  medium: '' | 'Memory' = '',
): Volume => ({ name, emptyDir: { medium, ...(sizeLimit && { sizeLimit }) } })
const limited = (name: string, limit: string) =>
  makeContainer({
    name,
    command: ['program'],
    resources: {
      limits: new Map([['ephemeral-storage', limit]]),
      requests: new Map(),
    },
  })
const podOf = (spec: Partial<PodSpec>): Pod => makePod({ name: 'p', spec })
const mib = 1n << 20n

t.test('who is looked at', async t => {
  const has = (spec: Partial<PodSpec>): boolean => hasStorageLimit(podOf(spec))
  t.notOk(has({}))
  t.notOk(has({ volumes: [emptyDir('a'), emptyDir('b', '0')] }))
  t.notOk(has({ volumes: [emptyDir('a', '1Mi', 'Memory')] }), 'a tmpfs is full')
  t.ok(has({ volumes: [emptyDir('a'), emptyDir('b', '1Mi')] }))
  t.ok(has({ containers: [limited('a', '1Mi')] }))
})

t.test('why a Pod is evicted', async t => {
  const why = (
    spec: Partial<PodSpec>,
    emptyDirs: Record<string, bigint>,
    containers: Record<string, bigint> = {},
  ) =>
    whyEvicted(podOf(spec), {
      emptyDirs: new Map(Object.entries(emptyDirs)),
      containers: new Map(Object.entries(containers)),
    })
  const one = { volumes: [emptyDir('a'), emptyDir('b', '1024Ki')] }
  t.equal(why(one, { a: 9n * mib, b: mib }), undefined)
  t.equal(
    why(one, { b: mib + 1n }),
    'Usage of EmptyDir volume "b" exceeds the limit "1Mi". ',
  )
  const two = {
    volumes: [emptyDir('a')],
    containers: [limited('one', '2Mi'), limited('two', '2048Ki')],
  }
  t.equal(why(two, { a: mib }, { one: mib, two: 2n * mib }), undefined)
  t.equal(
    why(two, { a: mib + 1n }, { one: mib, two: 2n * mib }),
    'Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ',
  )
  t.equal(
    why(two, {}, { one: 1n, two: 2n * mib + 1n }),
    'Container two exceeded its local ephemeral storage limit "2Mi". ',
  )
})

t.test('C305: an evicted Pod is terminal', async t => {
  let written = 0n
  let looks = 0
  const h = new PodRunnerHarness(t, {
    pod: podOf({
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 60,
      containers: [makeContainer({ name: 'a', command: ['program'] })],
      volumes: [emptyDir('v', '1Mi')],
    }),
    behaviours: { a: { onTerm: 'ignore' } },
    options: {
      emptyDirUsage: async () => {
        looks += 1
        return written
      },
    },
  })
  await h.start()
  await h.advance(25_000)
  t.equal(looks, 2, 'every ten seconds')
  t.equal(h.status.phase, 'Running')
  written = 2n * mib
  await h.advance(5000)
  const message = 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
  t.match(h.events.at(-2), { type: 'Warning', reason: 'Evicted', message })
  t.match(h.events.at(-1), { reason: 'Killing' })
  await h.advance(5000)
  const { phase, reason, message: said } = await h.runner.finished
  t.same([phase, reason, said], ['Failed', 'Evicted', message])
  t.same(h.runtime.journal, [
    'start a',
    'SIGTERM a',
    'SIGKILL a',
    'exit a 137',
    'close',
  ])
  await h.advance(1_000_000)
  t.equal(looks, 3, 'nobody looks any more')
})

t.test('a Pod without a limit is not looked at', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf({
      containers: [makeContainer({ name: 'a', command: ['program'] })],
      volumes: [emptyDir('v')],
    }),
    options: { emptyDirUsage: () => Promise.reject(new Error('a look')) },
  })
  await h.start()
  t.equal(h.clock.pending, 0, 'nothing waits for a time')
})
