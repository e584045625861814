import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { needsLimits } from '../helpers/cgroups.ts'
import { list, object, writer, type Json } from '../helpers/conformance-pod.ts'
import {
  eventually,
  podfs,
  startPodfs,
  type RunningPodfs,
} from '../helpers/podfs.ts'
import { runPods, type SeenContainer } from '../helpers/seen-pods.ts'

/*
 * Pods that were recorded as a kubelet (v1.34.1) ran them: the same words in the same order in the
 * columns of `get pods -w`, up to their deletion and beyond, and the same status and events at the
 * end. Back-offs are twentieths, where the recording does not hang on them.
 */

const image = 'registry.k8s.io/e2e-test-images/busybox:1.37.0-1'
const sh = (name: string, script: string, more: Json = {}): Json => ({
  name,
  image,
  command: ['sh', '-c', script],
  ...more,
})
const goesOn = 'trap "exit 0" TERM; while :; do sleep 1000 & wait; done'
const never = { restartPolicy: 'Never' }
const always = { restartPolicy: 'Always' }

interface Life {
  readonly name: string
  readonly spec: Json
  /** READY STATUS RESTARTS, up to where it was deleted; what was there twice is so once. */
  readonly life: string
  /** From there on. */
  readonly end?: string
  /** With no grace period, and by force. */
  readonly isForced?: true
}

const lives: readonly Life[] = [
  {
    name: 'completed',
    spec: { ...never, containers: [sh('c', 'sleep 3')] },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 0/1 Completed 0`,
  },
  {
    name: 'error',
    spec: { ...never, containers: [sh('c', 'sleep 3; exit 3')] },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 0/1 Error 0`,
  },
  {
    name: 'crashloop-zero',
    spec: { ...always, containers: [sh('c', 'sleep 1; exit 0')] },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 0/1 Completed 0, 1/1 Running 1,
     0/1 Completed 1, 0/1 CrashLoopBackOff 1, 1/1 Running 2, 0/1 Completed 2,
     0/1 CrashLoopBackOff 2, 1/1 Running 3, 0/1 Completed 3`,
    end: `0/1 Terminating 3, 0/1 Completed 3`,
  },
  {
    name: 'init-crash',
    spec: {
      ...always,
      initContainers: [sh('i1', 'sleep 1; exit 1'), sh('i2', 'exit 0')],
      containers: [sh('c', goesOn)],
    },
    life: `0/1 Pending 0, 0/1 Init:0/2 0, 0/1 Init:Error 0, 0/1 Init:0/2 1, 0/1 Init:Error 1,
     0/1 Init:CrashLoopBackOff 1, 0/1 Init:0/2 2, 0/1 Init:Error 2,
     0/1 Init:CrashLoopBackOff 2, 0/1 Init:0/2 3, 0/1 Init:Error 3, 0/1 Init:CrashLoopBackOff 3`,
    end: `0/1 Terminating 3, 0/1 Init:Error 3`,
  },
  {
    name: 'init2',
    spec: {
      ...always,
      initContainers: [sh('i1', 'sleep 3'), sh('i2', 'sleep 3')],
      containers: [sh('c', goesOn)],
    },
    life: `0/1 Pending 0, 0/1 Init:0/2 0, 0/1 Init:1/2 0, 0/1 PodInitializing 0, 1/1 Running 0`,
    end: `1/1 Terminating 0, 0/1 Completed 0`,
  },
  {
    name: 'sidecar-crash',
    spec: {
      ...always,
      // Recorded with 2: the other one is to be up before, on a slow machine, too.
      initContainers: [sh('s', 'sleep 4; exit 1', always)],
      containers: [sh('c', goesOn)],
    },
    life: `0/2 Pending 0, 0/2 Init:0/1 0, 1/2 PodInitializing 0, 2/2 Running 0, 1/2 Init:Error 0,
     2/2 Running 1, 1/2 Init:Error 1, 1/2 Init:CrashLoopBackOff 1, 2/2 Running 2,
     1/2 Init:Error 2, 1/2 Init:CrashLoopBackOff 2, 2/2 Running 3, 1/2 Init:Error 3`,
    end: `1/2 Terminating 3, 0/2 Completed 3`,
  },
  {
    name: 'sidecar-job-fails',
    spec: {
      ...never,
      initContainers: [sh('s', goesOn, always)],
      containers: [sh('c', 'sleep 4; exit 3')],
    },
    life: `0/2 Pending 0, 0/2 Init:0/1 0, 1/2 PodInitializing 0, 2/2 Running 0, 1/2 Error 0,
     0/2 Error 0`,
  },
  {
    name: 'plain',
    spec: { ...always, containers: [sh('c', goesOn)] },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0`,
    end: `1/1 Terminating 0, 0/1 Completed 0`,
  },
  {
    name: 'force',
    spec: {
      ...always,
      terminationGracePeriodSeconds: 30,
      containers: [sh('c', 'trap "" TERM; exec sleep 1000')],
    },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0`,
    end: `1/1 Terminating 0`,
    isForced: true,
  },
  {
    name: 'two-containers',
    spec: { ...always, containers: [sh('a', goesOn), sh('b', goesOn)] },
    life: `0/2 Pending 0, 0/2 ContainerCreating 0, 2/2 Running 0`,
    end: `2/2 Terminating 0, 0/2 Completed 0`,
  },
  {
    name: 'prestop-long',
    spec: {
      ...always,
      containers: [
        sh('c', goesOn, {
          lifecycle: { preStop: { exec: { command: ['sleep', '30'] } } },
        }),
      ],
    },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0`,
    end: `1/1 Terminating 0, 0/1 Completed 0`,
  },
  {
    name: 'readiness-flap',
    spec: {
      ...always,
      containers: [
        sh('c', `touch /usr/ok; sleep 10; rm /usr/ok; ${goesOn}`, {
          readinessProbe: {
            exec: { command: ['cat', '/usr/ok'] },
            periodSeconds: 1,
            failureThreshold: 2,
          },
        }),
      ],
    },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 0/1 Running 0, 1/1 Running 0, 0/1 Running 0`,
    end: `0/1 Terminating 0, 0/1 Completed 0`,
  },
  {
    name: 'no-env',
    spec: {
      ...always,
      containers: [
        sh('c', goesOn, { envFrom: [{ configMapRef: { name: 'nope' } }] }),
      ],
    },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 0/1 CreateContainerConfigError 0`,
    end: `0/1 Terminating 0, 0/1 ContainerStatusUnknown 0`,
  },
  {
    name: 'nocommand',
    spec: { ...always, containers: [{ name: 'c', image, command: ['/nope'] }] },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 0/1 RunContainerError 0,
     0/1 RunContainerError 1, 0/1 CrashLoopBackOff 1, 0/1 RunContainerError 2,
     0/1 CrashLoopBackOff 2`,
    end: `0/1 Terminating 2, 0/1 StartError 2`,
  },
  {
    name: 'unschedulable',
    spec: {
      ...always,
      containers: [
        sh('c', goesOn, { resources: { requests: { cpu: '1000' } } }),
      ],
    },
    life: `0/1 Pending 0`,
    end: `0/1 Terminating 0`,
  },
]

const slowLives: readonly Life[] = [
  {
    name: 'liveness',
    spec: {
      ...always,
      containers: [
        sh('c', goesOn, {
          // Recorded with periods of 2.
          livenessProbe: {
            exec: { command: ['cat', '/tmp/nope'] },
            periodSeconds: 1,
            failureThreshold: 2,
          },
        }),
      ],
    },
    life: `0/1 Pending 0, 0/1 ContainerCreating 0, 1/1 Running 0, 1/1 Running 1, 1/1 Running 2,
     0/1 CrashLoopBackOff 2, 1/1 Running 3, 0/1 CrashLoopBackOff 3, 1/1 Running 4`,
    end: `1/1 Terminating 4, 0/1 Completed 4`,
  },
]

/** The last status of each, and the events that came to it; see `comparable`. */
interface Recorded {
  readonly name: string
  readonly spec: Json
  readonly status: Json
  readonly events: readonly string[]
  /** Of what rests: `kubectl describe`, without what podfs's objects do not have. */
  readonly describe?: readonly string[]
}
const all = JSON.parse(
  readFileSync('test/fixtures/recorded-pods.json', 'utf8'),
) as readonly Recorded[]
/** Where nothing limits it, that one would take all memory of the machine. */
const recorded = all.filter(
  ({ name }) => needsLimits === false || name !== 'oom',
)

/** Without what is another each time: ids, addresses, times, and whose names they are. */
function comparable(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map(each => comparable(each, key))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        // podfs's own.
        .filter(([name]) => name !== 'pid')
        .map(([name, each]) => [
          name,
          comparable(each, key === 'hostIPs' ? 'hostIP' : name),
        ]),
    )
  if (typeof value !== 'string') return value
  switch (key) {
    case 'lastTransitionTime':
    case 'startTime':
    case 'startedAt':
    case 'finishedAt':
      return value.startsWith('1970') ? 'EPOCH' : 'TIME'
    case 'containerID':
      return 'CONTAINER-ID'
    case 'imageID':
      return value === '' ? '' : 'IMAGE-ID'
    case 'hostIP':
      return 'HOST-IP'
    case 'podIP':
    case 'ip':
      return 'POD-IP'
  }
  return comparableText(value)
}

function comparableText(text: string): string {
  return text
    .replaceAll(/\([0-9a-f]{8}-[0-9a-f-]{27}\)/g, '(UID)')
    .replaceAll(/\b127(\.\d+){3}\b/g, 'POD-IP')
    .replaceAll(/kube-api-access-\w{5}/g, 'kube-api-access-XXXXX')
    .replace(/(Successfully assigned \S+ to) \S+/, '$1 node1')
    .replace(/back-off \S+ restarting/, 'back-off D restarting')
    .replaceAll(/exec: "\/no\/such\/file.*/g, 'RUN-TIME')
}

/** Blanks and ages are whatever they are, and so is who tells of an event. */
function comparableDescription(description: string): readonly string[] {
  return (
    comparableText(description)
      .replaceAll(/podfs:\/\/[0-9a-f]+/g, 'CONTAINER-ID')
      .replaceAll(/^( +Image ID: +)\S+/gm, '$1IMAGE-ID')
      .replaceAll(/\w{3}, 01 Jan 1970 .*/g, 'EPOCH')
      .replaceAll(/\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000/g, 'TIME')
      // kubectl before v1.34, whose words podfs has.
      .replace(/ConfigMapOptional: +<nil>/, 'Optional: false')
      .replace(/^(Node: +)\S+\/\S+/m, '$1NODE')
      .replaceAll(/^ {2}(Normal|Warning) +(\S+) +.* podfs +/gm, '  $1 $2 ')
      .split('\n')
      .filter(
        line => !/^(Tolerations:| {2}Type +Reason| {2}---- +-)/.test(line),
      )
      .map(line => line.replaceAll(/(?<=\S) {2,}/g, ' ').trimEnd())
      .filter(line => line !== '')
  )
}

/** Enough to know the moment: the phase, and of each container its state and its restarts. */
function told(status: Json): readonly string[] {
  const containers = (['initContainerStatuses', 'containerStatuses'] as const)
    .flatMap(key => (status[key] ?? []) as readonly SeenContainer[])
    .map(
      ({ restartCount, state }) =>
        `${restartCount} ${Object.keys(state).join()} ${state.waiting?.reason}`,
    )
  return containers.length === 0 ? [] : [String(status['phase']), ...containers]
}

interface SeenEvent {
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly involvedObject: {
    readonly name: string
    readonly fieldPath?: string
  }
}

/** These words of a Pod, and perhaps others between them. */
const inOrder = (name: string, words: readonly string[]): RegExp =>
  new RegExp(
    words
      .map(word => `^vec +${name} +${word.replaceAll(' ', ' +')}\\b`)
      .join('[^]*?'),
    'm',
  )

const different = (words: readonly string[]): readonly string[] =>
  words.filter((word, i) => word !== words[i - 1])

const pod = (name: string, spec: Json): Json =>
  object.pod({ name, namespace: 'vec' }, { ...always, ...spec })

/** Begins with these lives, each a Pod, in a podfs of their own; `over` when all of them are. */
async function beginLives(
  t: Test,
  directory: string,
  lives: readonly Life[],
  backoffScale: string,
) {
  const { run, until } = await runPods(t, directory, {
    PODFS_BACKOFF_SCALE: backoffScale,
  })
  const session = ['--session', `run-${run.pid}`]
  const watch = startPodfs(t, ['get', 'pods', '-w', '-A', ...session])
  await watch.saw(/ stays /)
  const write = writer(directory)
  await write(
    'lives.json',
    list(
      lives.map(({ name, spec }) =>
        pod(`life-${name}`, {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 5,
          ...spec,
        }),
      ),
    ),
  )
  const over = Promise.all(lives.map(life => liveOut(t, life, watch, session)))
  return { session, until, write, over }
}

/** From its first word to its last. */
async function liveOut(
  t: Test,
  { name: recordedName, life, end, isForced }: Life,
  watch: RunningPodfs,
  session: readonly string[],
): Promise<void> {
  const seenOf = (name: string): readonly string[] =>
    different(
      [...watch.stdout().matchAll(/^vec +(\S+) +(\S+) +(\S+) +(\d+)/gm)]
        // A kubelet looks when both have been started.
        .filter(
          ([, , ...words]) => words.join(' ') !== '1/2 ContainerCreating 0',
        )
        // podfs's own word, until the new Pod has been found to be one that is run.
        .filter(([, of, , status]) => of === name && status !== 'NotRun')
        .map(([, , ...words]) => words.join(' ')),
    )
  const words = (text: string): readonly string[] => text.split(/,\s+/)
  const name = `life-${recordedName}`
  const about = ['-n', 'vec', ...session]
  const expected = words(life)
  await watch.saw(inOrder(name, expected))
  t.same(seenOf(name).slice(0, expected.length), expected, name)
  // Its containers have ended before it has: then its deletion is one more word.
  const phase = life.endsWith('Completed 0') ? 'Succeeded' : 'Failed'
  const ended = [
    'wait',
    `pod/${name}`,
    `--for=jsonpath={.status.phase}=${phase}`,
  ]
  if (end === undefined) await podfs(t, [...ended, '--timeout=-1s', ...about])
  const force = isForced ? ['--grace-period=0', '--force'] : []
  const { code, stderr } = await podfs(t, [
    'delete',
    'pod',
    name,
    ...force,
    ...about,
  ])
  t.equal(code, 0, stderr)
  if (end === undefined) {
    t.same(seenOf(name), expected, `${name} stays as it is`)
    return
  }
  // What restarts may have done so again meanwhile: then only STATUS counts.
  const restarts = !end.endsWith(' 0')
  const shown = (all: readonly string[]): readonly string[] =>
    restarts ? different(all.map(word => word.split(' ')[1] ?? '')) : all
  const after = shown(words(end))
  if (isForced) {
    const gone = ['wait', `pod/${name}`, '--for=delete', '--timeout=-1s']
    await podfs(t, [...gone, ...about])
    // Whatever was said of its end, and that it is gone.
    await watch.saw(
      new RegExp(`^vec +${name} .*Terminating[^]*^vec +${name} `, 'm'),
    )
  }
  await watch.saw(
    inOrder(name, restarts ? after.map(word => `\\S+ ${word}`) : after),
  )
  const all = seenOf(name)
  const first = all.findIndex(word => word.includes(' Terminating '))
  t.same(shown(all.slice(first)), after, `${name}: its end`)
}

t.test('out of memory', { skip: needsLimits }, async t => {
  t.ok(
    recorded.some(({ name }) => name === 'oom'),
    'it is among the others',
  )
})

t.test('lives', { skip: cannotStart() }, async t => {
  const directories = t.testdir({ quick: {}, slow: {} })
  // Their back-offs have to be longer than a probe takes to fail.
  const slow = await beginLives(t, `${directories}/slow`, slowLives, '0.4')
  const { session, until, write, over } = await beginLives(
    t,
    `${directories}/quick`,
    lives,
    '0.05',
  )
  await over
  // Not before: what begins at once has to be quicker than the shortest of the lives.
  const metadata = { name: 'cm', namespace: 'vec' }
  await write(
    'recorded.json',
    list([
      object.configMap('cm', { CMKEY: 'cmval' }, { metadata }),
      ...recorded.map(({ name, spec }) => pod(name, spec)),
    ]),
  )
  for (const { name, status } of recorded) {
    const expected = told(status)
    if (expected.length === 0) {
      const get = ['get', 'pod', name, '-n', 'vec', '-o', 'json', ...session]
      const now = await eventually(async () => {
        const { stdout } = await podfs(t, get)
        const { status: seen } = JSON.parse(stdout || '{"status": {}}') as {
          status: Json
        }
        return seen['conditions'] !== undefined && seen
      })
      t.same(comparable(now), status, name)
      continue
    }
    const seen = await until(
      name,
      ({ status: now }) => told(now).join() === expected.join(),
    )
    t.same(comparable(seen.status), status, name)
  }
  for (const { name, describe } of recorded) {
    if (describe === undefined) continue
    const args = ['describe', 'pod', name, '-n', 'vec', ...session]
    const { stdout } = await podfs(t, args)
    t.strictSame(comparableDescription(stdout), describe, `describe ${name}`)
  }
  const get = ['get', 'events', '-n', 'vec', '-o', 'json', ...session]
  const { stdout } = await podfs(t, get)
  const { items } = JSON.parse(stdout) as { items: readonly SeenEvent[] }
  for (const { name, events } of recorded)
    t.same(
      items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ type, reason, message, involvedObject }) =>
          [type, reason, involvedObject.fieldPath, comparableText(message)]
            .filter(word => word !== undefined)
            .join(' '),
        ),
      events,
      `events of ${name}`,
    )
  await slow.over
})
