import t from 'tap'

import type { PodSpec } from '../../src/api/types.ts'
import {
  newRecord,
  recordExited,
  recordFailure,
  recordStarted,
  recordStartError,
  type ContainerRecord,
} from '../../src/runner/lifecycle/container-record.ts'
import { podStatus, type PodFacts } from '../../src/runner/status/pod-status.ts'
import { makeContainer, makeNode, makePod } from '../helpers/make-objects.ts'

const running = recordStarted(newRecord, 'podfs://1', 0)
const exited = (exitCode: number) => recordExited(running, { exitCode }, 1000)
const again = recordStarted(exited(0), 'podfs://2', 2000)
const backOff = (record: ContainerRecord) =>
  recordFailure(record, { reason: 'CrashLoopBackOff', message: 'back-off' })
const unprepared = recordFailure(newRecord, {
  reason: 'CreateContainerConfigError',
  message: 'configmap "nope" not found',
})

const init = makeContainer({ name: 'i' })
const sidecar = makeContainer({ name: 's', restartPolicy: 'Always' })
const a = makeContainer({ name: 'a' })
const b = makeContainer({ name: 'b' })

function compute(
  records: Readonly<Record<string, ContainerRecord>>,
  spec: Partial<PodSpec> = {},
  facts: Partial<PodFacts> = {},
) {
  return podStatus({
    pod: makePod({ spec: { containers: [a], ...spec } }),
    node: makeNode(),
    podIPs: ['127.1.2.3'],
    records: new Map(Object.entries(records)),
    startTime: 0,
    now: 5000,
    sandboxReady: true,
    sandboxEverReady: true,
    deleting: false,
    finished: false,
    isRestartingAll: false,
    ...facts,
  })
}

const never = { restartPolicy: 'Never' } as const
const onFailure = { restartPolicy: 'OnFailure' } as const
const withInit = { initContainers: [init] }
const withSidecar = { initContainers: [sidecar] }
const two = { containers: [a, b] }
const end = { finished: true }
const deadline = { reason: 'DeadlineExceeded', message: 'too long' }

const phases = [
  ['nothing has started', {}, {}, {}, 'Pending'],
  ['running', { a: running }, {}, {}, 'Running'],
  ['one runs, one never did', { a: running }, two, {}, 'Pending'],
  ['one runs, one failed', { a: running, b: exited(1) }, two, {}, 'Running'],
  ['crash loop', { a: backOff(exited(1)) }, {}, {}, 'Running'],
  ['exit 0, Always', { a: exited(0) }, {}, {}, 'Running'],
  ['exit 1, OnFailure', { a: exited(1) }, onFailure, {}, 'Running'],
  ['exit 0, OnFailure, the end', { a: exited(0) }, onFailure, end, 'Succeeded'],
  ['6.1: withheld', { a: exited(0) }, never, {}, 'Pending'],
  ['exit 1, Never, the end', { a: exited(1) }, never, end, 'Failed'],
  ['killed: all 0', { a: exited(0) }, {}, end, 'Succeeded'],
  ['killed: 143', { a: exited(143) }, {}, end, 'Failed'],
  ['deleted before it started', {}, {}, end, 'Failed'],
  ['init runs', { i: running }, withInit, {}, 'Pending'],
  ['init loops', { i: backOff(exited(1)) }, withInit, {}, 'Pending'],
  ['init done', { i: exited(0), a: running }, withInit, {}, 'Running'],
  [
    'init failed for good',
    { i: exited(1) },
    { ...withInit, ...never },
    end,
    'Failed',
  ],
  ['sidecar runs, regular not yet', { s: running }, withSidecar, {}, 'Pending'],
  [
    'sidecar loops beside a running one',
    { s: backOff(exited(1)), a: running },
    withSidecar,
    {},
    'Running',
  ],
  [
    'C241: the exit code of a sidecar does not count',
    { s: exited(137), a: exited(0) },
    withSidecar,
    end,
    'Succeeded',
  ],
  ['init runs again', { i: again, a: running }, withInit, {}, 'Pending'],
  [
    'init loops beside a running one',
    { i: backOff(exited(1)), a: running },
    withInit,
    {},
    'Pending',
  ],
  ['sidecar never did', { a: running }, withSidecar, {}, 'Pending'],
  [
    'sidecar outlives all others',
    { s: running, a: exited(0) },
    { ...withSidecar, ...never },
    {},
    'Running',
  ],
  ['6.10: unprepared', { a: unprepared }, {}, {}, 'Pending'],
  [
    '6.4: start error',
    { a: recordStartError(newRecord, 'x', 'no', 0) },
    {},
    {},
    'Running',
  ],
] as const

for (const [name, records, spec, facts, phase] of phases) {
  t.test(`4.7: ${name}: ${phase}`, async t => {
    t.equal(compute(records, spec, facts).phase, phase)
  })
}

t.test('6.1: a terminal phase never reverts', async t => {
  const previous = compute({ a: exited(0) }, never, end)
  t.equal(compute({ a: running }, {}, { previous }).phase, 'Succeeded')
})

const rows = [
  {
    name: 'C219: init incomplete',
    status: compute({}, { initContainers: [init, sidecar] }),
    type: 'Initialized',
    expected: {
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [i s]',
    },
  },
  {
    name: 'a sidecar that has ended does not undo Initialized',
    status: compute({ s: exited(1), a: running }, withSidecar),
    type: 'Initialized',
    expected: { status: 'True' },
  },
  {
    name: 'C219: what is done is not named',
    status: compute({ i: exited(0) }, { initContainers: [init, sidecar] }),
    type: 'Initialized',
    expected: { message: 'containers with incomplete status: [s]' },
  },
  {
    name: 'C219: a sidecar has only to be started',
    status: compute({ s: running }, { initContainers: [init, sidecar] }),
    type: 'Initialized',
    expected: { message: 'containers with incomplete status: [i]' },
  },
  {
    name: 'all init containers are done',
    status: compute(
      { i: exited(0), s: running },
      { initContainers: [init, sidecar] },
    ),
    type: 'Initialized',
    expected: { status: 'True' },
  },
  {
    name: 'one of two has been started',
    status: compute({ a: running }, { ...withSidecar, ...two }),
    type: 'Initialized',
    expected: { status: 'True' },
  },
  {
    name: 'one has been started, and has ended',
    status: compute({ a: exited(1) }, withSidecar),
    type: 'Initialized',
    expected: { status: 'True' },
  },
  {
    name: 'one has been started, and waits to be started again',
    status: compute({ a: backOff(exited(1)) }, withSidecar),
    type: 'Initialized',
    expected: { status: 'True' },
  },
  {
    name: 'PodCompleted is not ready either',
    status: compute({ a: exited(0) }, never),
    type: 'Ready',
    expected: { status: 'False', reason: 'PodCompleted' },
  },
  {
    name: 'an init container that fails for good fails the Pod',
    status: compute({ i: exited(1) }, { ...withInit, ...never }),
    type: 'Ready',
    expected: { status: 'False', reason: 'PodFailed' },
  },
  {
    name: 'its deadline has passed, its containers still run',
    status: compute({ a: running }, {}, { failure: deadline }),
    type: 'Ready',
    expected: { status: 'False', reason: 'PodFailed' },
  },
  {
    name: 'PodCompleted',
    status: compute({ i: exited(0), a: exited(0) }, { ...withInit, ...never }),
    type: 'Initialized',
    expected: { status: 'True', reason: 'PodCompleted' },
  },
  {
    name: '6.7: sidecars first, plain init never',
    status: compute({}, { initContainers: [init, sidecar], ...two }),
    type: 'Ready',
    expected: {
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [s a b]',
    },
  },
  {
    name: 'PodFailed, no message',
    status: compute({ a: exited(1) }, never),
    type: 'ContainersReady',
    expected: { status: 'False', reason: 'PodFailed', message: undefined },
  },
  {
    name: '6.6: deleted before start: the reason stays',
    status: compute({}, {}, end),
    type: 'Ready',
    expected: { status: 'False', reason: 'ContainersNotReady' },
  },
] as const

for (const { name, status, type, expected } of rows) {
  t.test(`4.8: ${name}`, async t => {
    t.match(
      status.conditions.find(condition => condition.type === type),
      expected,
    )
  })
}

t.test('C310: lastTransitionTime moves only with the status', async t => {
  const first = compute({})
  const later = compute({ a: running }, {}, { previous: first, now: 60_000 })
  const times = (status: typeof first) =>
    Object.fromEntries(
      status.conditions.map(c => [c.type, c.lastTransitionTime]),
    )
  t.equal(times(first).Ready, '1970-01-01T00:00:05Z')
  t.equal(times(later).Ready, '1970-01-01T00:01:00Z')
  t.equal(times(later).Initialized, '1970-01-01T00:00:05Z')
})

const gate = (conditionType: string) => ({ conditionType })
const written = (type: string, status: 'True' | 'False' | 'Unknown') => ({
  type,
  status,
  lastProbeTime: null,
  lastTransitionTime: null,
})

t.test('C298: readiness gates', async t => {
  const ready = (
    record: ContainerRecord,
    gates: readonly string[],
    ...conditions: ReturnType<typeof written>[]
  ) => {
    const status = compute(
      { a: record },
      { readinessGates: gates.map(gate) },
      { written: { conditions } },
    )
    const found = status.conditions.find(({ type }) => type === 'Ready')
    return [found?.status, found?.reason, found?.message]
  }
  const no = 'ReadinessGatesNotReady'
  t.strictSame(ready(running, ['x']), [
    'False',
    no,
    'corresponding condition of pod readiness gate "x" does not exist.',
  ])
  t.strictSame(ready(running, ['x', 'y'], written('x', 'Unknown')), [
    'False',
    no,
    'the status of pod readiness gate "x" is not "True", but Unknown, corresponding condition of pod readiness gate "y" does not exist.',
  ])
  t.strictSame(
    ready(running, ['x', 'Initialized'], written('x', 'True')),
    ['True', undefined, undefined],
    'one of the kubelet’s own may be meant',
  )
  t.strictSame(
    ready(newRecord, ['x'], written('x', 'True')),
    ['False', 'ContainersNotReady', 'containers with unready status: [a]'],
    'the containers come first',
  )
})

t.test('what others have written', async t => {
  const conditions = [written('x', 'True')]
  const reason = { phase: 'Running' as const, reason: 'why', message: 'm' }
  const status = compute(
    { a: running },
    {},
    {
      written: { conditions, ...reason },
    },
  )
  t.match(status, reason)
  t.strictSame(status.conditions[0], conditions[0], 'as it was written')
  const ended = compute({ a: exited(0) }, never, {
    ...end,
    written: { conditions, ...reason },
  })
  t.equal(ended.phase, 'Succeeded')
  t.notOk('reason' in ended, 'of a phase before')
  t.match(
    compute(
      {},
      {},
      {
        unscheduled: 'otherNode',
        written: { conditions, ...reason, phase: 'Pending' },
      },
    ),
    { phase: 'Pending', reason: 'why', conditions },
  )
  t.match(
    compute({ a: exited(1) }, never, {
      ...end,
      failure: deadline,
      written: { conditions, ...reason, phase: 'Failed' },
    }),
    deadline,
    'its own reason is the last word',
  )
})

t.test('C309: the generation, and that of a deletion', async t => {
  const pod = makePod()
  const third = { ...pod, metadata: { ...pod.metadata, generation: 3 } }
  for (const [facts, generation] of [
    [{}, 3],
    [{ deleting: true }, 4],
  ] as const) {
    const status = compute({}, {}, { pod: third, ...facts })
    t.equal(status.observedGeneration, generation)
    for (const { type, observedGeneration } of status.conditions)
      t.equal(observedGeneration, generation, type)
  }
  const unscheduled = (reason: 'Unschedulable' | 'SchedulingGated') =>
    compute({}, {}, { pod: third, unscheduled: { reason, message: '' } })
  const refused = unscheduled('Unschedulable')
  t.equal(refused.conditions[0]?.observedGeneration, 3)
  t.equal(refused.observedGeneration, undefined, 'no kubelet has seen it')
  const gated = unscheduled('SchedulingGated').conditions[0] ?? {}
  t.notOk('observedGeneration' in gated)
})

t.test('6.4 6.5: states', async t => {
  const state = (record: ContainerRecord, ...rest: [object?, object?]) => {
    const status = compute({ a: record }, ...rest).containerStatuses[0]
    return { state: status?.state, lastState: status?.lastState }
  }
  const terminated = {
    containerID: 'podfs://1',
    exitCode: 1,
    reason: 'Error',
    startedAt: '1970-01-01T00:00:00Z',
    finishedAt: '1970-01-01T00:00:01Z',
  }
  t.same(state(exited(1)), { state: { terminated }, lastState: {} })
  t.same(state(backOff(exited(1))), {
    state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
    lastState: { terminated },
  })
  t.same(
    state(backOff(exited(1)), never),
    { state: { terminated }, lastState: {} },
    'nothing to wait for',
  )
  t.same(
    state(unprepared, {}, { deleting: true }),
    { state: { waiting: { reason: 'ContainerCreating' } }, lastState: {} },
    'deleted',
  )
  t.same(
    state(backOff(exited(1)), {}, { failure: deadline }),
    { state: { terminated }, lastState: {} },
    'its deadline has passed',
  )
  t.notOk('message' in (state(exited(1)).state?.terminated ?? {}))
  const startError = recordStartError(newRecord, 'podfs://1', 'no', 0)
  t.same(state(startError).state, {
    waiting: { reason: 'RunContainerError', message: 'no' },
  })
  t.equal(state(startError, never).state?.terminated?.message, 'no')
  t.same(state(recordStarted(exited(1), 'podfs://2', 3000)), {
    state: { running: { startedAt: '1970-01-01T00:00:03Z' } },
    lastState: { terminated },
  })
})

t.test('6.7: fields', async t => {
  const container = makeContainer({
    name: 'a',
    image: 'busybox:1',
    volumeMounts: [
      { name: 'v', mountPath: '/v', readOnly: true },
      { name: 'w', mountPath: '/w', readOnly: false },
    ],
    resources: {
      limits: new Map([['cpu', '1']]),
      requests: new Map([['cpu', '500m']]),
    },
  })
  const spec = { containers: [container] }
  const volumeMounts = [
    {
      name: 'v',
      mountPath: '/v',
      readOnly: true,
      recursiveReadOnly: 'Disabled',
    },
    { name: 'w', mountPath: '/w' },
  ]
  t.same(compute({}, spec).containerStatuses, [
    {
      name: 'a',
      image: 'busybox:1',
      imageID: '',
      state: { waiting: { reason: 'ContainerCreating' } },
      lastState: {},
      ready: false,
      started: false,
      restartCount: 0,
      volumeMounts,
    },
  ])
  t.match(compute({ a: running }, spec), {
    qosClass: 'Burstable',
    hostIP: '192.0.2.1',
    hostIPs: [{ ip: '192.0.2.1' }],
    podIPs: [{ ip: '127.1.2.3' }],
    startTime: '1970-01-01T00:00:00Z',
    containerStatuses: [
      {
        containerID: 'podfs://1',
        ready: true,
        started: true,
        resources: { limits: { cpu: '1' }, requests: { cpu: '500m' } },
        allocatedResources: { cpu: '500m' },
      },
    ],
  })
  t.equal(compute({}, {}, { sandboxEverReady: false }).podIP, undefined)
  t.equal(compute({}, { hostNetwork: true }).podIP, '192.0.2.1')
  t.notOk('podIP' in compute({}, {}, { podIPs: [] }))
  t.notOk('initContainerStatuses' in compute({}))
  t.strictSame(
    compute({}, { containers: [b, sidecar, a] }).containerStatuses.map(
      ({ name }) => name,
    ),
    ['a', 'b', 's'],
    'by name',
  )
})

t.test('6.7: resources, of which some are not said', async t => {
  const resourcesOf = (limits: object, requests: object) => {
    const resources = {
      limits: new Map(Object.entries(limits)),
      requests: new Map(Object.entries(requests)),
    }
    const { containerStatuses } = compute(
      { a: running },
      { containers: [makeContainer({ name: 'a', resources })] },
    )
    const [status] = containerStatuses
    return [status?.resources, status?.allocatedResources]
  }
  const cpu = '1'
  t.strictSame(resourcesOf({}, {}), [{}, undefined])
  t.strictSame(resourcesOf({ cpu }, {}), [{ limits: { cpu } }, undefined])
  t.strictSame(resourcesOf({}, { cpu }), [{ requests: { cpu } }, { cpu }])
})

t.test('6.6: who counts as lost', async t => {
  const reasons = (records: Record<string, ContainerRecord>, spec: object) => {
    const { initContainerStatuses = [], containerStatuses } = compute(
      records,
      spec,
      end,
    )
    return [...initContainerStatuses, ...containerStatuses].map(
      ({ state }) => (state.terminated ?? state.waiting)?.reason,
    )
  }
  const waiting = 'PodInitializing'
  const lost = 'ContainerStatusUnknown'
  const inits = { initContainers: [init, makeContainer({ name: 'j' })] }
  t.same(reasons({}, inits), [lost, waiting, waiting])
  t.same(reasons({ i: exited(143) }, inits), ['Error', waiting, waiting])
  t.same(reasons({ i: exited(0), j: exited(0) }, inits), [
    'Completed',
    'Completed',
    lost,
  ])
  t.same(reasons({ s: exited(0) }, withSidecar), ['Completed', lost])
  t.same(
    reasons(
      { j: running },
      { initContainers: [init, makeContainer({ name: 'j' }), sidecar] },
    ),
    [lost, lost, waiting, waiting],
    'up to the last one that ever started',
  )
})

t.test('C302: qosClass', async t => {
  const withResources = (limits: object, requests: object) => {
    const resources = {
      limits: new Map(Object.entries(limits)),
      requests: new Map(Object.entries(requests)),
    }
    return compute({}, { containers: [makeContainer({ resources })] }).qosClass
  }
  const ofPod = (
    limits: object,
    requests: object,
    ofContainer: object = {},
  ): string => {
    const resources = {
      limits: new Map(Object.entries(limits)),
      requests: new Map(Object.entries(requests)),
    }
    const own = new Map(Object.entries(ofContainer))
    const container = makeContainer({
      resources: { limits: new Map(), requests: own },
    })
    return compute({}, { resources, containers: [container] }).qosClass
  }
  t.equal(withResources({}, {}), 'BestEffort')
  t.equal(withResources({ cpu: '1', memory: '1Gi' }, {}), 'Guaranteed')
  t.equal(
    withResources(
      { cpu: '1', memory: '1Gi' },
      { cpu: '1000m', memory: '1024Mi' },
    ),
    'Guaranteed',
  )
  t.equal(withResources({ cpu: '1' }, { cpu: '1' }), 'Burstable')
  t.equal(withResources({}, { memory: '1Mi' }), 'Burstable')
  t.equal(withResources({ cpu: '1' }, { cpu: '0' }), 'Burstable')
  t.equal(
    withResources({ cpu: '1', memory: '1Gi' }, { cpu: '500m' }),
    'Burstable',
  )
  const both = { cpu: '1', memory: '1Gi' }
  t.equal(ofPod(both, {}), 'Guaranteed', 'the Pod alone counts')
  t.equal(ofPod(both, {}, { cpu: '500m' }), 'Burstable')
  t.equal(ofPod(both, both, { cpu: '500m' }), 'Guaranteed')
  t.equal(ofPod({}, {}, { cpu: '500m' }), 'BestEffort')
  t.equal(ofPod({ cpu: '1' }, {}), 'Burstable')
})

t.test('4.10: what all containers of a Pod say has 12 KiB', async t => {
  const long = 'x'.repeat(4095) + 'ä'
  const said = recordExited(running, { exitCode: 1 }, 1000, long)
  const messages = (containers: number) =>
    compute(
      { c0: said, c1: recordStarted(said, 'podfs://2', 2000) },
      {
        ...never,
        containers: Array.from({ length: containers }, (_, i) =>
          makeContainer({ name: `c${i}` }),
        ),
      },
    ).containerStatuses.slice(0, 2)
  t.match(messages(2), [
    { state: { terminated: { message: long } } },
    { lastState: { terminated: { message: long } } },
  ])
  t.match(messages(3)[0], {
    state: { terminated: { message: `${'x'.repeat(4095)}\ufffd` } },
  })
  t.match(messages(4), [
    { state: { terminated: { message: 'x'.repeat(3072) } } },
    { lastState: { terminated: { message: 'x'.repeat(3072) } } },
  ])
  t.match(
    compute({ a: said }, { initContainers: [init, sidecar, b] })
      .containerStatuses[0],
    { state: { terminated: { message: 'x'.repeat(3072) } } },
    'init containers count',
  )
})
