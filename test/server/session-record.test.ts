import t from 'tap'
import { keyOf } from '../../src/api/object-key.ts'
import type { Pod } from '../../src/api/types.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { makePod } from '../helpers/make-objects.ts'

const status = (phase: PodStatus['phase']): PodStatus => ({
  phase,
  conditions: [],
  hostIP: '192.0.2.1',
  hostIPs: [],
  startTime: '2026-01-01T00:00:00Z',
  containerStatuses: [],
  qosClass: 'BestEffort',
})
const started = {
  type: 'Normal',
  reason: 'Started',
  message: 'it has',
} as const

t.test(
  'a Pod of the same name and another uid has a life of its own',
  async t => {
    const record = new SessionRecord(new FakeClock())
    const one = makePod({ uid: 'one' })
    const key = keyOf(one)
    const old = record.pod(one)
    old.status(status('Running'))
    old.event(started)
    old.output('c', 'id1', 'stdout', Buffer.from('x\n'))
    const other = makePod({ uid: 'other' })
    const now = record.pod(other)
    t.strictSame(record.pods.get(key), { pod: other }, 'it begins anew')
    t.equal(record.log(key, 'c', 'id1'), undefined)
    now.status(status('Running'))

    // What is still told of the old one.
    old.status(status('Failed'))
    old.terminating(30)
    old.processes(() => new Map([['c', 1]]))
    old.updated(makePod({ uid: 'one', labels: { a: 'b' } }))
    t.strictSame(record.pods.get(key), {
      pod: other,
      status: status('Running'),
    })
    old.output('c', 'id1', 'stdout', Buffer.from('y\n'))
    old.outputEnd('c', 'id1')
    t.strictSame(record.logsOf(key), [])
    old.gone()
    t.equal(record.pods.get(key)?.pod, other, 'and its end')
    t.strictSame(record.keptOf(key)?.events, [], 'nor does it get its events')

    now.status(status('Succeeded'))
    t.equal(record.pods.get(key)?.status?.phase, 'Succeeded')
    now.gone()
    t.equal(record.pods.size, 0)
  },
)

t.test('a Pod goes on when its manifest gives it another uid', async t => {
  const record = new SessionRecord(new FakeClock())
  const pod = makePod({ uid: 'one' })
  const running = record.pod(pod)
  running.updated(makePod({ uid: 'given', labels: { a: 'b' } }))
  running.status(status('Failed'))
  running.output('c', 'id', 'stdout', Buffer.from('x\n'))
  const live = record.pods.get(keyOf(pod))
  t.equal(live?.pod.metadata.uid, 'given')
  t.equal(live?.status?.phase, 'Failed')
  t.equal(record.logsOf(keyOf(pod)).length, 1)
  running.gone()
  t.equal(record.pods.size, 0)
})

t.test('a Pod whose name begins as another one’s goes alone', async t => {
  const record = new SessionRecord(new FakeClock())
  const [web, web2] = ['web', 'web2'].map(name => makePod({ name })) as [
    Pod,
    Pod,
  ]
  for (const pod of [web, web2])
    record.pod(pod).output('c', 'id', 'stdout', Buffer.from('x\n'))
  t.equal(record.logsOf(keyOf(web)).length, 1)
  t.match(record.logsOf(keyOf(web2)), [{ container: 'c', containerID: 'id' }])
  record.forgetPod(keyOf(web))
  t.strictSame(record.logsOf(keyOf(web)), [])
  t.equal(record.logsOf(keyOf(web2)).length, 1)
})
