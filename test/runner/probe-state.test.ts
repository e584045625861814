import t from 'tap'

import {
  countResult,
  firstLook,
  lookAfterOthers,
  nextLook,
  noResults,
  stepFrom,
  type ProbeKind,
  type Verdict,
} from '../../src/runner/lifecycle/probes/probe-state.ts'
import { Alarm } from '../../src/runner/lifecycle/probes/alarm.ts'
import { handlerPort } from '../../src/runner/lifecycle/handler-port.ts'
import { probeEvent } from '../../src/runner/lifecycle/probes/probe-outcome.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { makeContainer, makeProbe } from '../helpers/make-objects.ts'

t.test('4.2: what counts', async t => {
  const rows: readonly (readonly [
    kind: ProbeKind,
    thresholds: readonly [failure: number, success: number],
    /** s: success, f: failure. */
    results: string,
    /** The verdict of each; `-`: none; `!`: and no further look. */
    verdicts: string,
  ])[] = [
    ['readiness', [3, 1], 's f f f f s', 's - - f f s'],
    ['readiness', [1, 3], 's s s s f s', '- - s s f -'],
    ['readiness', [2, 2], 's f s f f', '- - - - f'],
    ['liveness', [3, 1], 'f f s f f f', '- - s - - f!'],
    ['liveness', [1, 1], 'f f', 'f! f!'],
    ['startup', [3, 1], 'f f f', '- - f!'],
    ['startup', [3, 1], 'f f s', '- - s!'],
    // After its verdict it counts anew; a liveness probe's success is no reason for that.
    ['startup', [2, 1], 'f f f f', '- f! - f!'],
    ['liveness', [2, 1], 'f f f s f', '- f! - s -'],
  ]
  for (const [kind, [failureThreshold, successThreshold], ...row] of rows) {
    const [results, expected] = row
    const probe = makeProbe({ failureThreshold, successThreshold })
    let run = noResults
    const verdicts = results.split(' ').map(letter => {
      const result: Verdict = letter === 's' ? 'success' : 'failure'
      const counted = countResult(kind, probe, run, result)
      run = counted.run
      return `${counted.verdict?.charAt(0) ?? '-'}${counted.onHold ? '!' : ''}`
    })
    t.equal(verdicts.join(' '), expected, `${kind} ${results}`)
  }
})

t.test('4.2: when it looks', async t => {
  const delayed = makeProbe({ initialDelaySeconds: 15, periodSeconds: 10 })
  t.equal(firstLook(delayed, 1000, 1005), 16_000, 'after the delay')
  t.equal(firstLook(delayed, 1000, 20_000), 20_000, 'or at once')
  const probe = makeProbe({ periodSeconds: 10 })
  for (const isWell of [true, false])
    for (const [moment, now, next, what] of [
      [5, 6, 10_100, 'a period later, with others'],
      [10_100, 10_101, 20_100, 'and another one'],
      [5, 10_100, 10_100, 'just in time'],
      [5, 20_099, 10_100, 'it took longer: at once'],
      [5, 47_000, 40_100, 'what else it missed is left out'],
      [40_100, 47_001, 50_100, 'and then it is in step again'],
    ] as const)
      t.equal(nextLook(probe, 100, moment, now, isWell), next, what)
})

t.test('probes of a Pod come into step', async t => {
  const step = stepFrom(12_345.6)
  t.equal(step, 12_400)
  for (const periodSeconds of [1, 2, 10, 60])
    for (const later of [0, 0.3, 99, 100.5, 3456, 9950, 54_321]) {
      const probe = makeProbe({ periodSeconds })
      const periodMs = periodSeconds * 1000
      let moment = firstLook(probe, step + later, step + later)
      const between: number[] = []
      for (let look = 1; look <= 11; look++) {
        const next = nextLook(probe, step, moment, moment + 3, true)
        between.push(next - moment)
        moment = next
      }
      const what = `${periodSeconds} s, begun ${later} ms later`
      t.equal((moment - step) % periodMs, 0, what)
      t.ok(
        between.every(ms => ms >= periodMs && ms <= periodMs * 1.1 + 100),
        what,
      )
      t.equal(between.at(-1), periodMs, `${what}: and stays in it`)
      const ill = nextLook(probe, step, step + 4000, step + 4003, false)
      t.equal(ill, step + 4000 + periodMs, 'one that fails is not kept waiting')
    }
})

t.test('the look after those that others took', async t => {
  const probe = makeProbe({ periodSeconds: 10, timeoutSeconds: 2 })
  for (const [now, next, what] of [
    [100, 1000, 'they have not looked yet'],
    [1000, 1000, 'they may be at it'],
    [2999, 1000, 'or know what it was, and have not said it'],
    [3000, 11_000, 'that one is over'],
    [12_999, 11_000, 'as the first'],
    [13_000, 21_000, 'and the second'],
    [864_000_500, 864_001_000, 'ten days later'],
    [864_001_500, 864_001_000, 'or while they looked'],
  ] as const)
    t.equal(lookAfterOthers(probe, 1000, 1000, now), next, what)

  const step = stepFrom(12_345.6)
  for (const periodSeconds of [1, 2, 10, 60])
    for (const later of [0, 0.3, 99, 100.5, 3456, 9950]) {
      const probe = makeProbe({ periodSeconds, timeoutSeconds: 1 })
      const due = step + later
      let moment = due
      for (let look = 0; look < 15; look++) {
        const what = `${periodSeconds} s, begun ${later} ms later, look ${look}`
        t.equal(lookAfterOthers(probe, step, due, moment), moment, what)
        moment = nextLook(probe, step, moment, moment + 3, true)
      }
    }
})

t.test('one timer for all that wait for a moment', async t => {
  const clock = new FakeClock(0)
  const alarm = new Alarm(clock)
  const woken: string[] = []
  const wait = async (
    name: string,
    moment: number,
    stop = new AbortController(),
  ): Promise<void> => {
    await alarm.wait(moment, stop.signal)
    woken.push(name)
  }
  const [first, stop] = [new AbortController(), new AbortController()]
  const all = [
    wait('a', 100, first),
    wait('b', 100),
    wait('c', 200, stop),
    wait('past', -5),
  ]
  t.equal(clock.pending, 3)
  await clock.advance(99)
  t.same(woken, ['past'])
  first.abort()
  await clock.advance(0)
  t.same(woken, ['past', 'a'], 'one that is stopped keeps nobody from waking')
  t.equal(clock.pending, 2)
  await clock.advance(1)
  t.same(woken, ['past', 'a', 'b'])
  const again = wait('again', 100)
  await clock.advance(0)
  t.same(woken, ['past', 'a', 'b', 'again'])
  stop.abort()
  await Promise.all([...all, again])
  t.equal(clock.pending, 0, 'the last one takes the timer with it')
  await alarm.wait(1e6, stop.signal)
  t.equal(clock.pending, 0)
})

t.test('4.2: the port', async t => {
  const ports = [
    { name: 'http', containerPort: 8080, protocol: 'TCP' },
    { name: 'odd', protocol: 'TCP' },
  ]
  const container = makeContainer({ ports })
  for (const [port, expected] of [
    [80, 80],
    ['http', 8080],
    ['81', 81],
    ['nope', 'strconv.Atoi: parsing "nope": invalid syntax'],
    ['odd', 'invalid port number: 0'],
    ['70000', 'invalid port number: 70000'],
  ] as const)
    t.equal(handlerPort(port, container), expected)
  t.equal(
    handlerPort('http', makeContainer()),
    'strconv.Atoi: parsing "http": invalid syntax',
  )
})

t.test('6.9: the words of events', async t => {
  t.equal(probeEvent('startup', { outcome: 'success' }), undefined)
  t.same(probeEvent('readiness', { outcome: 'failure', output: 'no\n' }), {
    reason: 'Unhealthy',
    message: 'Readiness probe failed: no\n',
  })
  t.same(probeEvent('startup', { outcome: 'failure', output: '' }), {
    reason: 'Unhealthy',
    message: 'Startup probe failed: ',
  })
  t.same(probeEvent('liveness', { outcome: 'warning', output: 'hm' }), {
    reason: 'ProbeWarning',
    message: 'Liveness probe warning: hm',
  })
  const error = { outcome: 'error', state: 'unknown', message: 'x' } as const
  t.same(probeEvent('liveness', error), {
    reason: 'Unhealthy',
    message: 'Liveness probe errored and resulted in unknown state: x',
  })
})
