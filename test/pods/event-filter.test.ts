import t from 'tap'
import { eventFilter } from '../../src/pods/event-filter.ts'
import type { PodEvent } from '../../src/runner/status/pod-events.ts'
import {
  newRecord,
  recordStarted,
  recordVerdict,
} from '../../src/runner/lifecycle/container-record.ts'
import { podStatus } from '../../src/runner/status/pod-status.ts'
import { makeNode, makePod } from '../helpers/make-objects.ts'

const unhealthy = (message: string): PodEvent => ({
  type: 'Warning',
  reason: 'Unhealthy',
  message,
  fieldPath: 'spec.containers{main}',
})

/** Of a Pod whose container is ready, or not. */
function status(ready: boolean) {
  const started = recordStarted(newRecord, 'id', 0)
  const verdict = ready ? 'success' : 'failure'
  return podStatus({
    pod: makePod(),
    node: makeNode(),
    podIPs: [],
    records: new Map([
      ['main', recordVerdict(started, 'id', 'readiness', verdict)],
    ]),
    startTime: 0,
    now: 0,
    sandboxReady: true,
    sandboxEverReady: true,
    deleting: false,
    finished: false,
    isRestartingAll: false,
  })
}

t.test('what a probe says again is no news', async t => {
  const { isNews, status: tell } = eventFilter()
  t.ok(isNews(unhealthy('a')))
  t.notOk(isNews(unhealthy('a')))
  t.ok(isNews(unhealthy('b')), 'another probe, or another reason')
  t.notOk(isNews(unhealthy('a')))
  t.ok(
    isNews({ ...unhealthy('a'), fieldPath: 'spec.containers{b}' }),
    'another container',
  )
  const backOff = { ...unhealthy('a'), reason: 'BackOff' }
  t.ok(isNews(backOff) && isNews(backOff), 'all others are told each time')
  tell(status(true))
  t.ok(isNews(unhealthy('a')), 'it was well meanwhile')
  tell(status(true))
  t.notOk(isNews(unhealthy('a')))
  tell(status(false))
  t.ok(isNews(unhealthy('a')))
  for (let i = 0; i < 100; i++) t.ok(isNews(unhealthy(`c${i}`)))
  t.ok(isNews(unhealthy('a')), 'not all are remembered')
})
