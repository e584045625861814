import t from 'tap'

import type { PodSpec } from '../../src/api/types.ts'
import {
  crashLoopBackoff,
  newRecord,
  recordExited,
  recordFailure,
  recordReset,
  recordStarted,
  recordWake,
  type ContainerRecord,
} from '../../src/runner/lifecycle/container-record.ts'
import { planPod, type Step } from '../../src/runner/lifecycle/plan.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const running = recordStarted(newRecord, 'id', 0)
const exited = (exitCode: number) => recordExited(running, { exitCode }, 1000)
/** Started a second time, and ended again: the back-off has begun. */
const crashed = recordExited(
  recordStarted(exited(1), 'id', 1000),
  { exitCode: 1 },
  2000,
)
const unprepared = recordFailure(newRecord, {
  reason: 'CreateContainerConfigError',
  message: 'x',
  retryAt: 9000,
})

const restartsAll = (name: string) =>
  makeContainer({
    name,
    restartPolicy: 'Never',
    restartPolicyRules: [
      {
        action: 'RestartAllContainers',
        exitCodes: { operator: 'In', values: [3] },
      },
    ],
  })

const debugged: Partial<PodSpec> = {
  ephemeralContainers: [
    makeContainer({
      name: 'e',
      volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }],
    }),
  ],
}

interface Row {
  readonly name: string
  readonly records?: Readonly<Record<string, ContainerRecord>>
  readonly spec?: Partial<PodSpec>
  readonly now?: number
  readonly deleting?: boolean
  /** Of the back-off. */
  readonly scale?: number
  /** Those that are ready; absent: there is no sandbox. */
  readonly volumes?: readonly string[]
  /** `start X`, `backOff X MS`, `until MS`, `kill WHY`. */
  readonly expected: readonly string[]
}

const rows: readonly Row[] = [
  { name: 'everything is new', expected: ['start i'] },
  { name: 'C221: init runs', records: { i: running }, expected: [] },
  {
    name: 'C226: init has succeeded, the sidecar is next',
    records: { i: exited(0) },
    expected: ['start s'],
  },
  {
    name: 'C228: a started sidecar releases the next',
    records: { i: exited(0), s: running },
    expected: ['start j'],
  },
  {
    name: 'C229: all initialized',
    records: { i: exited(0), s: running, j: exited(0) },
    expected: ['start a', 'start b'],
  },
  {
    name: 'C231: a sidecar is restarted beside a later init container',
    records: { i: exited(0), s: exited(0), j: running },
    expected: ['start s'],
  },
  {
    name: 'a sidecar that ended holds up what never started',
    records: { i: exited(0), s: exited(1) },
    expected: ['start s'],
  },
  {
    name: 'C232: a sidecar is restarted beside the regular ones',
    records: {
      i: exited(0),
      s: exited(1),
      j: exited(0),
      a: running,
      b: running,
    },
    expected: ['start s'],
  },
  {
    name: 'C232: a sidecar and a regular one have died: the sidecar first',
    records: {
      i: exited(0),
      s: exited(1),
      j: exited(0),
      a: exited(1),
      b: running,
    },
    expected: ['start s', 'start a'],
  },
  {
    name: 'C231: a sidecar and the init container after it have died: in their order',
    records: { i: exited(0), s: exited(1), j: exited(1) },
    expected: ['start s', 'start j'],
  },
  {
    name: 'C219: a failed init container runs again',
    records: { i: exited(1) },
    expected: ['start i'],
  },
  {
    name: 'C219: and is waited for again',
    records: { i: recordStarted(exited(1), 'id', 1000) },
    expected: [],
  },
  {
    name: 'C220: unless the policy is Never',
    records: { i: exited(1) },
    spec: { restartPolicy: 'Never' },
    expected: ['kill initFailed'],
  },
  {
    name: 'C223: init containers do not run again',
    records: { i: exited(0), s: running, j: exited(1), a: exited(1) },
    expected: ['start a', 'start b'],
  },
  {
    name: 'C304: all done',
    records: {
      i: exited(0),
      s: running,
      j: exited(0),
      a: exited(0),
      b: exited(1),
    },
    spec: { restartPolicy: 'Never' },
    expected: ['kill finished'],
  },
  {
    name: 'OnFailure: only the failed one',
    records: { j: exited(0), s: running, a: exited(0), b: exited(1) },
    spec: { restartPolicy: 'OnFailure' },
    expected: ['start b'],
  },
  {
    name: 'OnFailure: one has succeeded, the other runs',
    records: { j: exited(0), s: running, a: exited(0), b: running },
    spec: { restartPolicy: 'OnFailure' },
    expected: [],
  },
  {
    name: 'the sidecar of a finished Pod is not restarted',
    records: { s: exited(1), j: exited(0), a: exited(0), b: exited(0) },
    spec: { restartPolicy: 'Never' },
    expected: ['kill finished'],
  },
  {
    name: 'C275: back-off, from the end of the last run',
    records: { i: crashed },
    now: 3000,
    expected: ['backOff i 10000', 'until 12000'],
  },
  {
    name: 'C276 C277: a tenth of it',
    records: {
      i: recordExited(
        recordStarted(exited(1), 'id', 1000, undefined, crashLoopBackoff(0.1)),
        { exitCode: 1 },
        2000,
      ),
    },
    now: 2500,
    scale: 0.1,
    expected: ['backOff i 1000', 'until 3000'],
  },
  {
    name: 'C282: one ends, and all begin anew',
    records: { a: running, b: exited(3) },
    spec: {
      restartPolicy: 'Never',
      initContainers: [],
      containers: [makeContainer({ name: 'a' }), restartsAll('b')],
    },
    expected: ['restart all for b'],
  },
  {
    name: 'C282: an init container can do that, too',
    records: { i: exited(3) },
    spec: { initContainers: [restartsAll('i')] },
    expected: ['restart all for i'],
  },
  {
    name: 'C282: another exit code does not',
    records: { a: running, b: recordExited(running, { exitCode: 2 }, 1000) },
    spec: {
      restartPolicy: 'Never',
      initContainers: [],
      containers: [makeContainer({ name: 'a' }), restartsAll('b')],
    },
    expected: [],
  },
  {
    name: 'C282: it waits as any other',
    records: {
      a: exited(0),
      b: recordExited(
        recordStarted(recordReset(exited(3), 1000, true), 'id', 1000),
        { exitCode: 3 },
        2000,
      ),
    },
    now: 3000,
    spec: {
      restartPolicy: 'Never',
      initContainers: [],
      containers: [makeContainer({ name: 'a' }), restartsAll('b')],
    },
    expected: ['backOff b 10000', 'until 12000'],
  },
  {
    name: 'told already',
    records: {
      i: recordFailure(crashed, { reason: 'CrashLoopBackOff', message: '' }),
    },
    now: 3000,
    expected: ['until 12000'],
  },
  {
    name: 'the back-off is over',
    records: { i: crashed },
    now: 12_000,
    expected: ['start i'],
  },
  {
    name: 'C275: the time of day set back to the start of the back-off',
    records: { i: crashed },
    now: 2000,
    expected: ['backOff i 10000', 'until 12000'],
  },
  {
    name: 'set back further: no more is waited for than there ever was',
    records: { i: crashed },
    now: 1999,
    expected: ['start i'],
  },
  {
    name: 'unprepared, and set back as far',
    records: { i: unprepared },
    now: -1000,
    expected: ['until 9000'],
  },
  {
    name: 'unprepared, and set back further',
    records: { i: unprepared },
    now: -1001,
    expected: ['start i'],
  },
  {
    name: 'unprepared: looked at again later',
    records: { i: unprepared },
    expected: ['until 9000'],
  },
  {
    name: 'unprepared, and woken',
    records: { i: recordWake(unprepared) },
    expected: ['start i'],
  },
  {
    name: '4.4: one that is unprepared does not hold up the next',
    records: { s: running, j: exited(0), a: unprepared },
    expected: ['start b', 'until 9000'],
  },
  {
    name: 'until the first of all that is waited for',
    records: { s: running, j: exited(0), a: crashed, b: unprepared },
    now: 3000,
    expected: ['backOff a 10000', 'until 9000'],
  },
  {
    name: 'C297: until the deadline',
    records: { i: running },
    spec: { activeDeadlineSeconds: 60 },
    expected: ['until 60000'],
  },
  {
    name: 'C297: the deadline has passed',
    records: { i: running },
    spec: { activeDeadlineSeconds: 60 },
    now: 60_000,
    expected: ['kill deadlineExceeded'],
  },
  {
    name: 'C272: deleted, whatever there is to do',
    records: { i: crashed },
    deleting: true,
    expected: ['kill deleted'],
  },
  {
    name: 'C348: an ephemeral container starts before the Pod has initialized',
    records: { i: running },
    spec: debugged,
    volumes: ['v'],
    expected: ['start e'],
  },
  {
    name: 'an ephemeral container waits for its volumes, and for a sandbox',
    records: { i: running },
    spec: debugged,
    volumes: [],
    expected: [],
  },
  {
    name: 'C349: an ephemeral container is never started again',
    records: { i: running, e: exited(1) },
    spec: debugged,
    volumes: ['v'],
    expected: [],
  },
  {
    name: 'an ephemeral container keeps no Pod alive',
    records: {
      i: exited(0),
      s: running,
      j: exited(0),
      a: exited(0),
      b: exited(0),
      e: running,
    },
    spec: { ...debugged, restartPolicy: 'Never' },
    volumes: ['v'],
    expected: ['kill finished'],
  },
]

for (const row of rows) {
  t.test(row.name, async t => {
    const steps = planPod({
      pod: makePod({
        spec: {
          initContainers: [
            makeContainer({ name: 'i' }),
            makeContainer({ name: 's', restartPolicy: 'Always' }),
            makeContainer({ name: 'j' }),
          ],
          containers: [
            makeContainer({ name: 'a' }),
            makeContainer({ name: 'b' }),
          ],
          ...row.spec,
        },
      }),
      records: new Map(Object.entries(row.records ?? {})),
      startTime: 0,
      now: row.now ?? 1000,
      deleting: row.deleting ?? false,
      backoff: crashLoopBackoff(row.scale),
      ...(row.volumes && { volumes: new Set(row.volumes) }),
    })
    t.same(steps.map(describe), row.expected)
  })
}

function describe(step: Step): string {
  if (step.step === 'start') return `start ${step.container}`
  if (step.step === 'waitUntil') return `until ${step.time}`
  if (step.step === 'killPod') return `kill ${step.because}`
  if (step.step === 'kill')
    return `kill ${step.container} ${step.because}${step.restart ? ' restart' : ''}`
  if (step.step === 'restartAll') return `restart all for ${step.container}`
  return `backOff ${step.container} ${step.delayMs}`
}
