import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  container,
  list,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { healthServer } from '../helpers/health-server.ts'
import { freePort, host, http } from '../helpers/loopback-server.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'

/*
 * Probes of real containers (C247 to C269), in one run: what they ask is a program in the
 * container, a server in it, or one of this test. The rules that take long are shown on a clock
 * whose hours pass at once, in test/runner/probes.test.ts.
 */

/** A program that ends when it is told to. */
const obeys = `trap 'exit 0' TERM; sleep 1000 & wait`

/** Liveness with a period of a second, which kills at the first failure. */
const live = (handler: Json, more: Json = {}): Json => ({
  livenessProbe: { ...handler, periodSeconds: 1, failureThreshold: 1, ...more },
})

const exec = (script: string): Json => ({
  exec: { command: ['sh', '-c', script] },
})

interface SeenPod {
  readonly status: {
    readonly phase: string
    readonly conditions: readonly Json[]
    readonly containerStatuses: readonly {
      readonly name: string
      readonly ready: boolean
      readonly started: boolean
      readonly restartCount: number
      readonly state: Json
      readonly lastState: Json
    }[]
  }
}

/** `/500-later` is well once; `/to?loc=X` leads to X. */
function server(t: Test): Promise<number> {
  let asked = 0
  return http(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    if (pathname === '/to') {
      const location = searchParams.get('loc') ?? ''
      response.writeHead(302, { location })
      return response.end(`<a href="${location}">Found</a>.\n\n`)
    }
    response.statusCode = pathname === '/500-later' && asked++ === 0 ? 200 : 500
    return response.end()
  })
}

/** The second one starts when the first one says so, and its end takes as long as it may. */
const sidecar = object.pod(
  { name: 'sidecar' },
  {
    terminationGracePeriodSeconds: 600,
    initContainers: [
      container(
        'side',
        `until [ -e /etc/asked ]; do sleep 0.1; done; touch /etc/up; echo up; ${obeys}`,
        {
          restartPolicy: 'Always',
          startupProbe: {
            ...exec('cat /etc/up || { touch /etc/asked; exit 1; }'),
            periodSeconds: 1,
            failureThreshold: 60,
          },
        },
      ),
      container('init', 'echo after'),
    ],
    containers: [
      container(
        'main',
        `touch /etc/well; trap 'rm /etc/well; trap "exit 0" USR1' TERM
echo main; while :; do sleep 1000 & wait; done`,
        {
          readinessProbe: { ...exec('cat /etc/well'), periodSeconds: 1 },
          ...live(exec('cat /etc/well')),
        },
      ),
    ],
  },
)

const image = 'registry.k8s.io/e2e-test-images/busybox:1.37.0-1'
const common = {
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 1,
  automountServiceAccountToken: false,
}

/** The manifests of recordings of a real kubelet. */
const recorded = [
  object.pod(
    { name: 'readiness-http', namespace: 'vec' },
    {
      ...common,
      containers: [
        {
          name: 'c',
          image,
          command: ['sh', '-c', 'sleep 100000'],
          readinessProbe: {
            httpGet: { path: '/x', port: 1234 },
            periodSeconds: 2,
          },
        },
      ],
    },
  ),
  object.pod(
    { name: 'startup-fail', namespace: 'vec' },
    {
      ...common,
      containers: [
        {
          name: 'c',
          image,
          command: [
            'sh',
            '-c',
            'trap "exit 0" TERM; while :; do sleep 1000 & wait; done',
          ],
          readinessProbe: { exec: { command: ['true'] } },
          startupProbe: {
            exec: { command: ['false'] },
            failureThreshold: 2,
            periodSeconds: 1,
            // Recorded without, on a machine that was not busy.
            timeoutSeconds: 60,
          },
        },
      ],
    },
  ),
]

t.test('probes', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const write = writer(dir)
  const port = await server(t)
  const { port: grpcPort } = await healthServer(t, { '': 1 })
  const [ownPort, closed] = [await freePort(), await freePort()]
  const get = (path: string): Json => ({ httpGet: { path, port, host } })
  const to = (location: string) =>
    get(`/to?loc=${encodeURIComponent(location)}`)
  const web = `require('http').createServer((_, answer) => answer.end()).listen(${ownPort})`

  const restarted: Record<string, [what: string, Json, command?: string]> = {
    c249: [
      'exec "cat /etc/health"',
      live(exec('cat /etc/health')),
      `touch /etc/health; sleep 1.5; rm /etc/health; ${obeys}`,
    ],
    c251: ['http /healthz', live(get('/500-later'))],
    c256: ['grpc, at the wrong port', live({ grpc: { port: closed } })],
    c257: ['exec that takes too long', live(exec('sleep 10'))],
    c259: ['exec whose child goes on', live(exec('sleep 10 & exit 1'))],
    c260: ['a local redirect', live(to('/500'))],
    c262: [
      'a startup probe that fails',
      {
        startupProbe: {
          ...exec('false'),
          periodSeconds: 1,
          failureThreshold: 2,
        },
        ...live(exec('true')),
      },
    ],
    c264: [
      'liveness that startup has enabled',
      {
        startupProbe: { ...exec('true'), periodSeconds: 1 },
        ...live(exec('false')),
      },
    ],
    c266: [
      'with the grace period of its livenessProbe',
      live(exec('false'), { terminationGracePeriodSeconds: 1 }),
      'trap "" TERM; exec sleep 1000',
    ],
  }
  // A machine that is busy may take long to ask.
  const long = { timeoutSeconds: 60 }
  const kept: Record<
    string,
    [what: string, Json, command?: readonly string[]]
  > = {
    c250: ['exec', live(exec('true'), long)],
    c252: [
      'tcp, whatever http says',
      live({ tcpSocket: { port, host } }, long),
    ],
    c254: [
      'http at a port with a name, and all three kinds',
      {
        ports: [{ name: 'web', containerPort: ownPort }],
        startupProbe: { tcpSocket: { port: 'web' }, periodSeconds: 1 },
        readinessProbe: { httpGet: { port: 'web' }, periodSeconds: 1 },
        livenessProbe: { httpGet: { port: 'web' }, ...long },
      },
      [process.execPath, '-e', web],
    ],
    c255: ['grpc', live({ grpc: { port: grpcPort } }, long)],
    c258: [
      'readiness that takes too long',
      { readinessProbe: { ...exec('sleep 10'), periodSeconds: 1 } },
    ],
    c261: ['a redirect to elsewhere', live(to('http://0.0.0.0/'), long)],
    c263: [
      'liveness that startup delays',
      {
        startupProbe: {
          ...exec('false'),
          periodSeconds: 1,
          failureThreshold: 600,
        },
        ...live(exec('false')),
      },
    ],
  }
  await write(
    'probes.json',
    object.pod(
      { name: 'probes' },
      {
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        containers: [
          ...Object.entries(restarted).map(([name, [, probes, script]]) =>
            container(name, script ?? obeys, probes),
          ),
          ...Object.entries(kept).map(([name, [, probes, command]]) =>
            container(name, obeys, { ...probes, ...(command && { command }) }),
          ),
        ],
      },
    ),
  )
  await write('others.json', list([sidecar, ...recorded]))
  const run = startPodfs(t, ['run', '-f', dir, '--all', '--log-level', 'info'])
  const ask = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await podfs(t, [...args, '--session', `run-${run.pid}`])
    return stdout
  }
  const see = async (name: string, ...more: readonly string[]) =>
    (
      JSON.parse(
        await ask('get', 'pod', name, '-o', 'json', ...more),
      ) as SeenPod
    ).status
  const told = (
    name: string,
    reason: string,
    message: string,
  ): Promise<unknown> =>
    run.saw(
      new RegExp(
        ` event .*"reason":"${reason}","message":"${message}","fieldPath":"spec.containers{${name}}"`,
      ),
      'stderr',
    )

  for (const [name, [what]] of Object.entries(restarted))
    await t.test(`${name.toUpperCase()}: restarted: ${what}`, async () => {
      const kind = name === 'c262' ? 'startup' : 'liveness'
      await told(
        name,
        'Killing',
        `Container ${name} failed ${kind} probe, will be restarted`,
      )
      await run.saw(
        new RegExp(
          `container \\S*${name} ended .* was started again: restart 1$`,
          'm',
        ),
        'stderr',
      )
    })
  await t.test('C257 C259 C260 C261: events', async () => {
    await told(
      'c249',
      'Unhealthy',
      'Liveness probe failed: cat: .*/etc/health.*',
    )
    await told(
      'c257',
      'Unhealthy',
      String.raw`Liveness probe failed: command timed out: \\"sh -c sleep 10\\" timed out after 1s`,
    )
    await told('c259', 'Unhealthy', 'Liveness probe failed: ')
    await told(
      'c260',
      'Unhealthy',
      'Liveness probe failed: HTTP probe failed with statuscode: 500',
    )
    await told(
      'c261',
      'ProbeWarning',
      String.raw`Liveness probe warning: Probe terminated redirects, Response body: <a href=\\"http://0\.0\.0\.0/\\">Found</a>\..*`,
    )
    await told(
      'c256',
      'Unhealthy',
      String.raw`Liveness probe failed: timeout: failed to connect service .* within 1s: context deadline exceeded`,
    )
  })
  await eventually(async () =>
    (await see('probes')).containerStatuses.some(
      ({ name, ready }) => name === 'c254' && ready,
    ),
  )
  const { phase, conditions, containerStatuses } = await see('probes')
  for (const [name, [what]] of Object.entries(kept))
    await t.test(`${name.toUpperCase()}: not restarted: ${what}`, async t => {
      const status = containerStatuses.find(each => each.name === name)
      t.match(status, {
        restartCount: 0,
        started: name !== 'c263',
        ready: name !== 'c263' && name !== 'c258',
        lastState: {},
      })
    })
  await t.test('the Pod is not ready', async t => {
    t.equal(phase, 'Running')
    for (const type of ['Ready', 'ContainersReady'])
      t.match(
        conditions.find(condition => condition['type'] === type),
        {
          status: 'False',
          reason: 'ContainersNotReady',
          message: /^containers with unready status: \[.*c258.*c263.*\]$/,
        },
      )
  })

  await t.test('C233: a startup probe holds up what comes after', async t => {
    await run.saw(/main +\| main$/m)
    t.strictSame(run.stdout().match(/(?<=\| )(up|after|main)$/gm), [
      'up',
      'after',
      'main',
    ])
    t.match(run.stderr(), /Startup probe failed: cat: .*initContainers\{side\}/)
  })
  await t.test('as recorded', async t => {
    await run.saw(/"pod":"startup-fail","reason":"BackOff"/, 'stderr')
    const unready = {
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [c]',
    }
    const conditions = [
      { type: 'PodReadyToStartContainers', status: 'True' },
      { type: 'Initialized', status: 'True' },
      { type: 'Ready', ...unready },
      { type: 'ContainersReady', ...unready },
      { type: 'PodScheduled', status: 'True' },
    ]
    t.match(await see('readiness-http', '-n', 'vec'), {
      phase: 'Running',
      conditions,
      containerStatuses: [
        {
          name: 'c',
          ready: false,
          started: true,
          restartCount: 0,
          lastState: {},
          state: { running: {} },
        },
      ],
    })
    // It goes on: on a busy machine this is a later back-off.
    const failed = await eventually(async () => {
      const status = await see('startup-fail', '-n', 'vec')
      const isWaiting = status.containerStatuses[0]?.state.waiting !== undefined
      return isWaiting && status
    })
    const restarts = failed.containerStatuses[0]?.restartCount ?? 0
    t.ok(restarts >= 2)
    t.match(failed, {
      phase: 'Running',
      conditions,
      containerStatuses: [
        {
          name: 'c',
          ready: false,
          started: false,
          lastState: { terminated: { exitCode: 0, reason: 'Completed' } },
          state: {
            waiting: {
              reason: 'CrashLoopBackOff',
              message: new RegExp(
                `^back-off ${Math.min(10 * 2 ** (restarts - 2), 300)}s restarting failed container=c pod=startup-fail_vec\\(.*\\)$`,
              ),
            },
          },
        },
      ],
    })
    const events = await ask('get', 'events', '-n', 'vec', '-o', 'json')
    const words = (pod: string): string[] =>
      (
        JSON.parse(events) as {
          items: {
            type: string
            reason: string
            message: string
            involvedObject: { name: string; fieldPath?: string }
          }[]
        }
      ).items
        .filter(({ involvedObject }) => involvedObject.name === pod)
        .map(({ type, reason, message, involvedObject }) =>
          [type, reason, involvedObject.fieldPath, message]
            .join('\t')
            .replace(/127\.\d+\.\d+\.\d+/g, 'IP')
            .replace(/\([-0-9a-f]+\)/, '(UID)')
            .replace(/(?<=^Normal\tScheduled\t.* to )\S+$/, 'NODE'),
        )
        .sort()
    const c = 'spec.containers{c}'
    const start = (pod: string): string[] => [
      `Normal\tScheduled\t\tSuccessfully assigned vec/${pod} to NODE`,
      `Normal\tPulled\t${c}\tContainer image "${image}" already present on machine`,
      `Normal\tCreated\t${c}\tCreated container: c`,
      `Normal\tStarted\t${c}\tStarted container c`,
    ]
    t.strictSame(
      words('readiness-http'),
      [
        ...start('readiness-http'),
        `Warning\tUnhealthy\t${c}\tReadiness probe failed: Get "http://IP:1234/x": dial tcp IP:1234: connect: connection refused`,
      ].sort(),
    )
    t.strictSame(
      words('startup-fail'),
      [
        ...start('startup-fail'),
        `Normal\tKilling\t${c}\tContainer c failed startup probe, will be restarted`,
        `Warning\tUnhealthy\t${c}\tStartup probe failed: `,
        `Warning\tBackOff\t${c}\tBack-off restarting failed container c in pod startup-fail_vec(UID)`,
      ].sort(),
    )
    t.match(
      await ask('describe', 'pod', 'readiness-http', '-n', 'vec'),
      /Readiness: +http-get http:\/\/:1234\/x delay=0s timeout=1s period=2s #success=1 #failure=3\n/,
    )
  })

  await eventually(async () =>
    / 2\/2 +Running/.test(await ask('get', 'pod', 'sidecar')),
  )
  run.child.kill('SIGTERM')
  await t.test(
    'C216 C268 C269: readiness goes on, liveness does not',
    async t => {
      await run.saw(/Killing.*Stopping container main/, 'stderr')
      await run.saw(
        /Readiness probe failed: cat: .*containers\{main\}/,
        'stderr',
      )
      // It fails three times before it is no longer ready; liveness would have killed by then.
      await eventually(async () =>
        / 1\/2 +Terminating/.test(await ask('get', 'pod', 'sidecar')),
      )
      t.notMatch(
        run.stderr(),
        /(Liveness probe failed|failed liveness probe).*containers\{main\}/,
      )
    },
  )
  run.child.kill('SIGTERM')
  await run.ended
})
