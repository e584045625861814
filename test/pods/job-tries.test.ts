import t from 'tap'
import { keyOf, objectKey } from '../../src/api/object-key.ts'
import type { Pod } from '../../src/api/types.ts'
import { cronSchedule } from '../../src/pods/cron-schedule.ts'
import { JobTries } from '../../src/pods/job-tries.ts'
import type { PodOutcome } from '../../src/pods/pod-outcome.ts'
import type { PodSession } from '../../src/pods/pod-session.ts'
import { SupervisedPod } from '../../src/pods/supervised-pod.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import { Store } from '../../src/store/store.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

/*
 * A Job through its tries. The runs are stand-ins that end when the test says so; what is decided,
 * told and waited for is podfs's.
 */

const settle = () => new Promise<void>(resolve => setImmediate(resolve))

function jobOf(spec = '', command = 'a', pod = 'Never') {
  const { objects } = readManifest(
    `apiVersion: batch/v1
kind: Job
metadata: {name: pi}
spec:
  ${spec}
  template: {spec: {restartPolicy: ${pod}, containers: [{name: c, image: busybox, command: [${command}]}]}}
`,
    'f.yaml',
    { namespace: 'default' },
  )
  return objects
}

const cronJobOf = (spec: string, command = 'a') =>
  readManifest(
    `apiVersion: batch/v1
kind: CronJob
metadata: {name: pi}
spec:
  ${spec}
  jobTemplate: {spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: [${command}]}]}}}}
`,
    'f.yaml',
    { namespace: 'default' },
  ).objects

function world(
  spec = '',
  options: {
    waits?: boolean
    pod?: string
    cron?: boolean
    backoffScale?: number
  } = {},
) {
  const clock = new FakeClock()
  const record = new SessionRecord(clock)
  const store = new Store({ clock })
  const log: string[] = []
  let finish: (status: PodStatus) => void = () => undefined
  let running: Pod | undefined
  const session = (pod: Pod): PodSession => {
    running = pod
    record.pod(pod)
    return {
      pod,
      finished: new Promise(resolve => (finish = resolve)),
      update: () => log.push('update'),
      wake: () => undefined,
      current: () => pod,
      written: () => ({ conditions: [] }),
      setWritten: () => undefined,
      terminate: () => log.push('terminate'),
      close: async () => undefined,
      forget: async () => undefined,
    }
  }
  const tries = new JobTries({
    clock,
    record,
    store,
    backoffScale: () => options.backoffScale ?? 1,
    ...(options.waits !== false && { schedule: cronSchedule }),
    notice: text => log.push(text),
  })
  const supervised = new SupervisedPod({
    recreate: true,
    tries,
    notice: text => log.push(text),
    startable: () => true,
    onIdle: () => log.push('idle'),
    onUpdated: () => undefined,
    onForgotten: () => undefined,
    onError: error => log.push(String(error)),
    start: async pod => {
      log.push(`start ${pod.spec.hostname ?? ''}`.trim())
      return session(pod)
    },
  })
  const want = async (spec = '', command = 'a'): Promise<void> => {
    store.replace(
      'f.yaml',
      options.cron === true
        ? cronJobOf(spec, command)
        : jobOf(spec, command, options.pod),
    )
    const [pod] = store.list('Pod')
    if (pod !== undefined) supervised.want(pod)
    await settle()
  }
  return {
    clock,
    record,
    log,
    supervised,
    want,
    begin: () => want(spec),
    session,
    get running() {
      return running as Pod
    },
    outcome: () => supervised.outcome as PodOutcome,
    job: () =>
      record.jobs.get(
        objectKey(options.cron === true ? 'CronJob' : 'Job', 'default', 'pi'),
      ),
    events: () =>
      record.events
        .filter(({ involvedObject }) => involvedObject.kind === 'Job')
        .map(({ reason, count }) => `${reason} ${count}`),
    /** All that is told of it, as text. */
    told: () =>
      record.events
        .filter(({ involvedObject }) => involvedObject.kind !== 'Pod')
        .map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
    end: async (exitCode: number) => {
      finish({
        phase: exitCode === 0 ? 'Succeeded' : 'Failed',
        conditions: [],
        containerStatuses: [
          { name: 'c', state: { terminated: { exitCode, startedAt: '' } } },
        ],
      } as unknown as PodStatus)
      await settle()
    },
    pass: async (ms: number) => {
      await clock.advance(ms)
      await settle()
    },
  }
}

t.test('it fails twice, and then succeeds', async t => {
  const w = world()
  await w.begin()
  await w.end(3)
  t.ok(w.supervised.isWaiting)
  await w.pass(9_999)
  t.equal(
    w.log.at(-1),
    'Job default/pi: Pod default/pi has failed: container c: exit code 3; another one in 10s',
  )
  await w.pass(1)
  t.equal(w.log.at(-1), 'start')
  await w.end(3)
  await w.pass(20_000)
  await w.end(0)
  t.ok(w.supervised.idle)
  t.equal(w.outcome().failure, undefined)
  t.match(w.job(), {
    progress: { succeeded: 1, failed: 2 },
    end: { type: 'Complete' },
  })
  t.strictSame(w.events(), ['SuccessfulCreate 3', 'Completed 1'])
})

t.test('it fails for good', async t => {
  const w = world('backoffLimit: 0')
  await w.begin()
  await w.end(3)
  t.ok(w.supervised.idle)
  t.equal(
    w.outcome().failure,
    'Job default/pi has failed: Job has reached the specified backoff limit; Pod default/pi has failed: container c: exit code 3',
  )
  t.strictSame(w.events(), ['SuccessfulCreate 1', 'BackoffLimitExceeded 1'])
})

t.test('its deadline ends the Pod, or the wait', async t => {
  const w = world('activeDeadlineSeconds: 5')
  await w.begin()
  await w.pass(5000)
  t.equal(w.log.at(-1), 'terminate')
  await w.end(0)
  t.match(
    w.outcome().failure,
    /longer than specified deadline$/,
    'whatever its Pod says',
  )
  const waiting = world('activeDeadlineSeconds: 5')
  await waiting.begin()
  await waiting.end(1)
  await waiting.pass(5000)
  t.ok(waiting.supervised.idle)
  t.match(waiting.job(), { end: { reason: 'DeadlineExceeded' } })
})

t.test('restarts in place end it, too', async t => {
  const w = world('backoffLimit: 1', { pod: 'OnFailure' })
  await w.begin()
  const { record, running } = w
  const restarted = {
    phase: 'Running',
    containerStatuses: [{ name: 'c', state: {}, restartCount: 1 }],
  }
  record.pod(running).status(restarted as unknown as PodStatus)
  t.equal(w.log.at(-1), 'terminate')
  await w.end(1)
  t.match(w.job(), {
    end: { reason: 'BackoffLimitExceeded' },
    progress: { failed: 1 },
  })
})

t.test('an Indexed Job: each Pod has its index', async t => {
  const w = world('completionMode: Indexed\n  completions: 2')
  await w.begin()
  await w.end(0)
  const { metadata, workload } = w.running
  t.equal(metadata.labels.get('batch.kubernetes.io/job-completion-index'), '1')
  t.match(workload?.progress, { index: 1, succeeded: 1 })
  await w.want('completionMode: Indexed\n  completions: 2\n  backoffLimit: 3')
  t.equal(w.log.at(-1), 'update', 'it is the same Job')
  await w.end(0)
  t.strictSame(
    w.log.filter(line => line.startsWith('start')),
    ['start pi-0', 'start pi-1'],
  )
  t.ok(w.supervised.idle)
  await w.want('completionMode: Indexed\n  completions: 2\n  backoffLimit: 4')
  t.ok(w.supervised.idle, 'what is done is done')
})

t.test('a changed template is another Job', async t => {
  const w = world()
  await w.begin()
  await w.end(1)
  await w.want('', 'b')
  t.equal(w.log.at(-1), 'start', 'at once')
  t.match(w.job(), { progress: { failed: 0 } })
  await w.want('', 'c')
  t.equal(w.log.at(-1), 'terminate')
  await w.end(1)
  t.equal(w.log.at(-1), 'start')
  t.match(w.job(), { progress: { failed: 0 } })
  await w.end(0)
  t.ok(w.supervised.idle)
})

t.test('suspend', async t => {
  const w = world('suspend: true')
  await w.begin()
  t.strictSame(w.log, [])
  t.match(w.job(), { isSuspended: true, progress: undefined })
  await w.want('suspend: false')
  t.strictSame(w.log, ['start'])
  await w.want('suspend: true')
  t.equal(w.log.at(-1), 'terminate')
  await w.end(1)
  t.ok(w.supervised.isWaiting)
  t.match(w.job(), { isSuspended: true, progress: { failed: 0 } })
  w.supervised.stop()
  await settle()
  t.ok(w.supervised.idle)
  t.strictSame(w.events(), ['Resumed 1', 'SuccessfulCreate 1', 'Suspended 2'])

  const told = world('suspend: true', { waits: false })
  await told.begin()
  t.strictSame(told.log, ['start'], 'whoever names it wants it')
})

t.test('goes on with what a podfs before this one has left', async t => {
  const before = world('backoffLimit: 1\n  activeDeadlineSeconds: 60')
  await before.begin()
  await before.end(1)
  await before.pass(10_000)
  const left = before.running
  t.match(left.workload?.progress, { failed: 1 })

  const now = world('backoffLimit: 1\n  activeDeadlineSeconds: 60')
  now.clock.advance(30_000)
  now.supervised.adopt(left, Promise.resolve(now.session(left)))
  await now.begin()
  t.strictSame(now.events(), [], 'it has made no Pod')
  await now.end(1)
  t.match(now.job(), { end: { reason: 'BackoffLimitExceeded' } })

  const late = world('activeDeadlineSeconds: 60')
  late.supervised.adopt(left, Promise.resolve(late.session(left)))
  await late.begin()
  await late.pass(60_000)
  t.equal(
    late.log.at(-1),
    'terminate',
    'the deadline counts from the beginning',
  )
})

t.test('dropped while it waits', async t => {
  const w = world()
  await w.begin()
  await w.end(1)
  w.supervised.drop('is gone')
  await settle()
  t.ok(w.supervised.idle)
  t.match(w.outcome(), { deleted: true })
  t.equal(w.record.pods.has(keyOf(w.running)), true)
})

const starts = ({ log }: { readonly log: readonly string[] }): number =>
  log.filter(line => line === 'start').length
const minute = 60_000
const cron = (spec: string) => world(spec, { cron: true })

t.test('a CronJob runs when it is due', async t => {
  const w = cron('schedule: "*/5 * * * *"')
  await w.begin()
  t.ok(w.supervised.isWaiting)
  await w.pass(5 * minute - 1)
  t.equal(starts(w), 0)
  await w.pass(1)
  t.equal(starts(w), 1)
  await w.end(0)
  t.equal(w.log.at(-1), 'CronJob default/pi has completed')
  const first = Date.UTC(2026, 0, 1, 0, 5)
  t.match(w.job(), {
    end: { type: 'Complete' },
    progress: { scheduledTime: first },
    lastSuccessTime: first,
  })
  await w.pass(5 * minute)
  t.equal(starts(w), 2)
  await w.end(1)
  t.match(w.log.at(-1), /^CronJob default\/pi has failed: Job has reached/)
  await w.want('schedule: "*/5 * * * *"', 'b')
  t.equal(starts(w), 2, 'a change waits, too')
  await w.pass(5 * minute)
  t.equal(starts(w), 3)
  await w.want('schedule: "*/5 * * * *"', 'c')
  t.notMatch(w.log.at(-1), 'terminate', 'what runs goes on')
  // Two of its times pass meanwhile; of them the last one counts, and at once.
  await w.pass(11 * minute)
  t.equal(starts(w), 3)
  await w.end(0)
  t.equal(starts(w), 4)
  t.match(w.job(), { progress: { scheduledTime: Date.UTC(2026, 0, 1, 0, 25) } })
})

t.test('startingDeadlineSeconds: what is too late is left out', async t => {
  const w = cron('schedule: "*/5 * * * *"\n  startingDeadlineSeconds: 30')
  await w.begin()
  await w.pass(5 * minute)
  await w.pass(6 * minute)
  await w.end(0)
  t.equal(starts(w), 1)
  await w.pass(4 * minute)
  t.equal(starts(w), 2)
})

t.test('concurrencyPolicy: Replace', async t => {
  const w = cron('schedule: "*/5 * * * *"\n  concurrencyPolicy: Replace')
  await w.begin()
  await w.pass(5 * minute)
  await w.pass(5 * minute)
  t.equal(w.log.at(-1), 'terminate')
  await w.end(1)
  t.equal(starts(w), 2)
  t.match(w.job(), { progress: { failed: 0 } })
})

t.test('a CronJob that is suspended, or goes on after podfs', async t => {
  const w = cron('schedule: "@every 1m"\n  suspend: true')
  await w.begin()
  await w.pass(5 * minute)
  t.equal(starts(w), 0)
  await w.want('schedule: "@every 1m"')
  await w.pass(minute)
  t.equal(starts(w), 1)
  await w.end(0)
  const left = w.running

  const next = cron('schedule: "@every 1m"')
  next.clock.advance(6 * minute + 1)
  next.supervised.adopt(left, Promise.resolve(next.session(left)))
  await next.begin()
  await next.end(0)
  t.equal(starts(next), 0, 'it has run, and is not due')
  await next.pass(minute)
  t.equal(starts(next), 1)

  const told = world('schedule: "@every 1m"', { cron: true, waits: false })
  await told.begin()
  t.equal(starts(told), 1, 'podfs run waits for nothing')
  await told.end(0)
  t.ok(told.supervised.idle)
})

t.test('what is told of it, to the word', async t => {
  const done = world()
  await done.begin()
  t.notMatch(done.job(), { endTime: Number })
  const { name } = done.running.metadata
  await done.end(0)
  t.strictSame(done.told(), [
    `Normal SuccessfulCreate: Created pod: ${name}`,
    'Normal Completed: Job completed',
  ])
  t.strictSame(done.log, ['start', 'idle'], 'nothing is due again')
  const now = done.clock.now()
  t.match(done.job(), { endTime: now, lastSuccessTime: now })

  const failed = world('backoffLimit: 0')
  await failed.begin()
  await failed.end(1)
  t.equal(
    failed.told().at(-1),
    'Warning BackoffLimitExceeded: Job has reached the specified backoff limit',
  )
  t.match(failed.job(), { endTime: now, lastSuccessTime: undefined })

  const late = world('activeDeadlineSeconds: 5')
  await late.begin()
  await late.pass(5000)
  await late.end(1)
  t.strictSame(late.told().slice(1), [
    'Warning DeadlineExceeded: Job was active longer than specified deadline',
    `Normal SuccessfulDelete: Deleted pod: ${name}`,
  ])
  t.strictSame(
    late.events(),
    ['SuccessfulCreate 1', 'DeadlineExceeded 1', 'SuccessfulDelete 1'],
    'each once',
  )

  const suspended = world('suspend: true')
  await suspended.begin()
  await suspended.want('suspend: false')
  t.strictSame(suspended.told().slice(0, 2), [
    'Normal Suspended: Job suspended',
    'Normal Resumed: Job resumed',
  ])

  const scheduled = cron('schedule: "@every 1m"\n  suspend: true')
  await scheduled.begin()
  t.strictSame(scheduled.told(), [], 'a CronJob is told of by its Jobs')

  const two = world('completions: 2')
  await two.begin()
  await two.end(0)
  t.ok(two.log.includes('Job default/pi: 1 of 2 completions'))
})

t.test('podFailurePolicy ends it', async t => {
  const w = world(
    'podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}',
  )
  await w.begin()
  await w.end(42)
  t.ok(w.supervised.idle)
  t.match(w.job(), { end: { reason: 'PodFailurePolicy' } })
})

t.test('backoffScale', async t => {
  const w = world('', { backoffScale: 0.1 })
  await w.begin()
  await w.end(1)
  await w.pass(999)
  t.match(w.log.at(-1), / another one in 1s$/)
  await w.pass(1)
  t.equal(w.log.at(-1), 'start')
})

t.test('its deadline counts what it has been active', async t => {
  const waiting = world('activeDeadlineSeconds: 5')
  await waiting.begin()
  await waiting.pass(2000)
  await waiting.end(1)
  await waiting.pass(2999)
  t.ok(waiting.supervised.isWaiting)
  await waiting.pass(1)
  t.ok(waiting.supervised.idle)

  const changed = world('activeDeadlineSeconds: 5')
  await changed.begin()
  await changed.pass(3000)
  await changed.want('activeDeadlineSeconds: 5', 'b')
  await changed.end(1)
  t.equal(changed.log.at(-1), 'start')
  await changed.pass(4999)
  t.equal(changed.log.at(-1), 'start', 'that of the Job before is over')
  await changed.pass(1)
  t.equal(changed.log.at(-1), 'terminate')

  const resumed = world('activeDeadlineSeconds: 5')
  await resumed.begin()
  await resumed.pass(3000)
  await resumed.want('activeDeadlineSeconds: 5\n  suspend: true')
  await resumed.end(1)
  await resumed.pass(minute)
  await resumed.want('activeDeadlineSeconds: 5')
  t.equal(resumed.log.at(-1), 'start')
  t.match(resumed.job(), { progress: { startTime: resumed.clock.now() } })
  await resumed.pass(4999)
  t.equal(resumed.log.at(-1), 'start', 'from when it was resumed')
  await resumed.pass(1)
  t.equal(resumed.log.at(-1), 'terminate')

  const before = world('activeDeadlineSeconds: 60')
  await before.begin()
  const left = before.running
  const adopted = world('activeDeadlineSeconds: 60')
  adopted.clock.advance(20_000)
  adopted.supervised.adopt(left, Promise.resolve(adopted.session(left)))
  await adopted.begin()
  await adopted.pass(39_999)
  t.notOk(adopted.log.includes('terminate'))
  await adopted.pass(1)
  t.ok(adopted.log.includes('terminate'))
})

t.test('what is due while it runs', async t => {
  const ends = ({ log }: { readonly log: readonly string[] }): number =>
    log.filter(line => line === 'terminate').length
  const goesOn = cron('schedule: "*/5 * * * *"')
  await goesOn.begin()
  await goesOn.pass(5 * minute)
  await goesOn.pass(11 * minute)
  t.equal(ends(goesOn), 0)

  const replaced = cron('schedule: "*/5 * * * *"\n  concurrencyPolicy: Replace')
  await replaced.begin()
  await replaced.pass(5 * minute)
  await replaced.pass(5 * minute - 1)
  t.equal(ends(replaced), 0)
  await replaced.pass(1)
  t.strictSame(replaced.log.slice(-2), [
    'CronJob default/pi is due again: replacing its Pod',
    'terminate',
  ])

  const told = world('schedule: "*/5 * * * *"\n  concurrencyPolicy: Replace', {
    cron: true,
    waits: false,
  })
  await told.begin()
  await told.pass(11 * minute)
  t.equal(ends(told), 0, 'podfs run knows no times')

  const inTime = cron('schedule: "*/5 * * * *"\n  startingDeadlineSeconds: 30')
  await inTime.begin()
  await inTime.pass(5 * minute)
  await inTime.pass(5 * minute + 20_000)
  await inTime.end(0)
  t.equal(starts(inTime), 2, 'late, but not too late')
})
