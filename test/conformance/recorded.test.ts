import t from 'tap'
import { needsRoot } from '../process/sandbox.ts'
import { list, object, writer, type Json } from '../helpers/conformance-pod.ts'
import { podfs, startPodfs } from '../helpers/podfs.ts'
import { runPods } from '../helpers/seen-pods.ts'

/*
 * Pods that were recorded as a kubelet (v1.34.1) ran them: the same words in the same order in the
 * columns of `get pods -w`, the same status and events at the end. Back-offs are twentieths.
 */

const image = 'registry.k8s.io/e2e-test-images/busybox:1.37.0-1'
const sh = (name: string, script: string, more: Json = {}): Json => ({
  name,
  image,
  command: ['sh', '-c', script],
  ...more,
})
const goesOn = 'trap "exit 0" TERM; while :; do sleep .2; done'
const never = { restartPolicy: 'Never' }
const always = { restartPolicy: 'Always' }

/** The lives, up to where they were deleted: READY STATUS RESTARTS; what was there twice is so once. */
const lives: readonly (readonly [name: string, spec: Json, life: string])[] = [
  [
    'completed',
    { ...never, containers: [sh('c', 'sleep 3')] },
    `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 0/1 Completed 0`,
  ],
  [
    'error',
    { ...never, containers: [sh('c', 'sleep 3; exit 3')] },
    `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 0/1 Error 0`,
  ],
  [
    'crashloop-zero',
    { ...always, containers: [sh('c', 'sleep 1; exit 0')] },
    `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 0/1 Completed 0, 1/1 Running 1,
     0/1 Completed 1, 0/1 CrashLoopBackOff 1, 1/1 Running 2, 0/1 Completed 2,
     0/1 CrashLoopBackOff 2, 1/1 Running 3, 0/1 Completed 3`,
  ],
  [
    'init-crash',
    {
      ...always,
      initContainers: [sh('i1', 'sleep 1; exit 1'), sh('i2', 'exit 0')],
      containers: [sh('c', goesOn)],
    },
    `0/1 Pending 0, 0/1 Init:0/2 0, 0/1 Init:Error 0, 0/1 Init:0/2 1, 0/1 Init:Error 1,
     0/1 Init:CrashLoopBackOff 1, 0/1 Init:0/2 2, 0/1 Init:Error 2,
     0/1 Init:CrashLoopBackOff 2, 0/1 Init:0/2 3, 0/1 Init:Error 3, 0/1 Init:CrashLoopBackOff 3`,
  ],
  [
    'init2',
    {
      ...always,
      initContainers: [sh('i1', 'sleep 3'), sh('i2', 'sleep 3')],
      containers: [sh('c', goesOn)],
    },
    `0/1 Pending 0, 0/1 Init:0/2 0, 0/1 Init:1/2 0, 0/1 PodInitializing 0, 1/1 Running 0`,
  ],
  [
    'sidecar-crash',
    {
      ...always,
      initContainers: [sh('s', 'sleep 2; exit 1', always)],
      containers: [sh('c', goesOn)],
    },
    `0/2 Pending 0, 0/2 Init:0/1 0, 1/2 PodInitializing 0, 2/2 Running 0, 1/2 Init:Error 0,
     2/2 Running 1, 1/2 Init:Error 1, 1/2 Init:CrashLoopBackOff 1, 2/2 Running 2,
     1/2 Init:Error 2, 1/2 Init:CrashLoopBackOff 2, 2/2 Running 3, 1/2 Init:Error 3`,
  ],
  [
    'sidecar-job-fails',
    {
      ...never,
      initContainers: [sh('s', goesOn, always)],
      containers: [sh('c', 'sleep 4; exit 3')],
    },
    `0/2 Pending 0, 0/2 Init:0/1 0, 1/2 PodInitializing 0, 2/2 Running 0, 1/2 Error 0,
     0/2 Error 0`,
  ],
]

const condition = (type: string, status: string, more: Json = {}): Json => ({
  type,
  status,
  reason: undefined,
  message: undefined,
  ...more,
})
const failed = { reason: 'PodFailed' }
const conditions = (isReady: Json, ...initialized: [string, Json?]): Json[] => [
  condition('PodReadyToStartContainers', isReady === failed ? 'False' : 'True'),
  condition('Initialized', ...initialized),
  condition('Ready', 'False', isReady),
  condition('ContainersReady', 'False', isReady),
  condition('PodScheduled', 'True'),
]
const ended = (name: string, exitCode: number, more: Json = {}): Json => ({
  name,
  ready: false,
  started: false,
  restartCount: 0,
  lastState: {},
  state: {
    terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' },
  },
  ...more,
})
const started = (list: string, name: string): string[] => [
  `Normal Pulled ${list}{${name}} Container image "${image}" already present on machine`,
  `Normal Created ${list}{${name}} Created container: ${name}`,
  `Normal Started ${list}{${name}} Started container ${name}`,
]
const regular = 'spec.containers'

/** Their last status, and the events that came to it. */
const ends: readonly (readonly [
  name: string,
  spec: Json,
  status: Json,
  events: readonly string[],
])[] = [
  [
    'failed',
    { ...never, containers: [sh('c', 'echo dying; exit 3')] },
    {
      phase: 'Failed',
      conditions: conditions(failed, 'True'),
      containerStatuses: [ended('c', 3)],
    },
    started(regular, 'c'),
  ],
  [
    'init-fail-never',
    {
      ...never,
      initContainers: [sh('i1', 'exit 5')],
      containers: [sh('c', 'sleep 100000')],
    },
    {
      phase: 'Failed',
      conditions: conditions(failed, 'False', {
        reason: 'ContainersNotInitialized',
        message: 'containers with incomplete status: [i1]',
      }),
      initContainerStatuses: [ended('i1', 5)],
      containerStatuses: [
        ended('c', 0, { state: { waiting: { reason: 'PodInitializing' } } }),
      ],
    },
    started('spec.initContainers', 'i1'),
  ],
  [
    'two-one-fails',
    { ...never, containers: [sh('ok', 'sleep 3'), sh('bad', 'exit 1')] },
    {
      phase: 'Failed',
      conditions: conditions(failed, 'True'),
      containerStatuses: [ended('bad', 1), ended('ok', 0)],
    },
    [...started(regular, 'ok'), ...started(regular, 'bad')],
  ],
  [
    'crashloop',
    { ...always, containers: [sh('c', 'echo boom; exit 7')] },
    {
      phase: 'Running',
      conditions: conditions(
        {
          reason: 'ContainersNotReady',
          message: 'containers with unready status: [c]',
        },
        'True',
      ),
      containerStatuses: [
        ended('c', 7, {
          restartCount: 4,
          lastState: { terminated: { exitCode: 7, reason: 'Error' } },
          state: {
            waiting: {
              reason: 'CrashLoopBackOff',
              // 1m20s of a whole one.
              message:
                /^back-off 4s restarting failed container=c pod=crashloop_vec\(.*\)$/,
            },
          },
        }),
      ],
    },
    [
      ...started(regular, 'c'),
      `Warning BackOff ${regular}{c} Back-off restarting failed container c in pod crashloop_vec(UID)`,
    ],
  ],
]

interface SeenEvent {
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly involvedObject: {
    readonly name: string
    readonly fieldPath?: string
  }
}

t.test('lives', { skip: needsRoot }, async t => {
  const directory = t.testdir()
  const pod = (name: string, spec: Json): Json =>
    object.pod(
      { name, namespace: 'vec' },
      {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 5,
        ...spec,
      },
    )
  const { run, until, over } = await runPods(t, directory, {
    PODFS_BACKOFF_SCALE: '0.05',
  })
  const session = ['--session', `run-${run.pid}`]
  const watch = startPodfs(t, ['get', 'pods', '-w', '-A', ...session])
  await watch.saw(/ stays /)
  await writer(directory)(
    'pods.json',
    list([...lives, ...ends].map(([name, spec]) => pod(name, spec))),
  )
  for (const [name, , life] of lives) {
    const expected = life.split(/,\s+/)
    const last = expected.at(-1) ?? ''
    await watch.saw(
      new RegExp(`^vec +${name} +${last.replaceAll(' ', ' +')}\\b`, 'm'),
    )
    const seen = [
      ...watch.stdout().matchAll(/^vec +(\S+) +(\S+) +(\S+) +(\d+)/gm),
    ]
      // podfs's own word, until the new Pod has been found to be one that is run.
      .filter(([, of, , status]) => of === name && status !== 'NotRun')
      .map(([, , ...words]) => words.join(' '))
    const different = seen.filter((line, i) => line !== seen[i - 1])
    t.same(different.slice(0, different.indexOf(last) + 1), expected, name)
  }

  for (const [name, , status] of ends) {
    const seen =
      name === 'crashloop'
        ? await until(name, ({ of }) => {
            const { restartCount, state } = of('c')
            return restartCount === 4 && state.waiting !== undefined
          })
        : await over(name)
    t.match(seen.status, status, name)
  }
  const get = ['get', 'events', '-n', 'vec', '-o', 'json', ...session]
  const { stdout } = await podfs(t, get)
  const { items } = JSON.parse(stdout) as { items: readonly SeenEvent[] }
  for (const [name, , , events] of ends)
    t.same(
      items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ type, reason, message, involvedObject }) =>
          [type, reason, involvedObject.fieldPath, message]
            .join(' ')
            .replace(/\([0-9a-f-]{36}\)$/, '(UID)'),
        ),
      events,
      `events of ${name}`,
    )
})
