/*
 * Ephemeral containers: `podfs debug`, kubectl's, and the API's subresource.
 */
import path from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { items, part, text, type JsonObject } from '../../src/api/json.ts'
import { askSocket, openSocket } from '../helpers/ask-socket.ts'
import { capability } from '../helpers/capability.ts'
import { kubectl, tcpTo } from '../helpers/kubectl.ts'
import '../helpers/needs-mounts.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { processesWith } from '../helpers/processes.ts'
import { configMap, end, pod, secret, world } from '../helpers/served-world.ts'
import { startOnTerminal } from '../helpers/typed.ts'

t.setTimeout(300_000)

const program = path.resolve('dist/podfs.cjs')
const waits = 'trap exit TERM; echo started; sleep 1000 & wait'
const sleeps = `sleep ${process.pid}.125`

/** What is asked of the podfs with this session. */
function asking(t: Test, session: string) {
  const asked = (...args: readonly string[]): readonly string[] => {
    const at = args.indexOf('--')
    const flags = at === -1 ? args : args.slice(0, at)
    const rest = at === -1 ? [] : args.slice(at)
    return [...flags, '--session', session, ...rest]
  }
  const said = (args: readonly string[], input?: string) =>
    podfs(t, asked(...args), input === undefined ? {} : { input })
  const shown = async (): Promise<JsonObject> =>
    JSON.parse(
      (await said(['get', 'pod', 'web', '-o', 'json'])).stdout,
    ) as JsonObject
  const statuses = async (): Promise<readonly JsonObject[]> =>
    items(part(await shown(), 'status'), 'ephemeralContainerStatuses')
  return {
    asked,
    said,
    shown,
    statuses,
    /** As soon as the container is in this state. */
    stateOf: async (name: string, state: string): Promise<JsonObject> =>
      await eventually(async () => {
        const found = (await statuses()).find(each => each['name'] === name)
        return found !== undefined && state in part(found, 'state') && found
      }),
  }
}

const merge = 'application/strategic-merge-patch+json'

async function sendTo(
  socket: string,
  method: string,
  body: unknown,
  type: string,
): Promise<{ readonly code: number | undefined; readonly body: JsonObject }> {
  const response = await openSocket(
    socket,
    '/api/v1/namespaces/default/pods/web/ephemeralcontainers',
    {
      method,
      headers: { 'content-type': type },
      sent: JSON.stringify(body),
    },
  )
  const answer = JSON.parse(await readAll(response)) as JsonObject
  return { code: response.statusCode, body: answer }
}

async function running(t: Test, more = '') {
  const dir = t.testdir({
    'pod.yaml': [
      pod('web', '{name: cfg, configMap: {name: cfg}}', {
        command: waits,
        more,
      }),
      configMap('cfg', '{colour: blue}'),
      secret('key', '{word: hidden}'),
    ].join(''),
  })
  const run = startPodfs(t, ['run', '-f', `${dir}/pod.yaml`])
  await run.saw(/started/)
  const session = `run-${run.pid}`
  const asks = asking(t, session)
  // The API comes when nothing else is to be done.
  await asks.said(['exec', 'web', '--', 'true'])
  return { run, socket: `${runtimeDirectory}/${session}/api.sock`, ...asks }
}

t.test('podfs debug (C348, C349)', async t => {
  const { run, said, shown, stateOf, statuses } = await running(t)
  const image = '--image=busybox'
  t.match(
    await said([
      'debug',
      'web',
      image,
      '-c',
      'one',
      '--',
      'sh',
      '-c',
      `echo polo; ${sleeps}`,
    ]),
    { code: 0, stdout: '', stderr: '' },
  )
  await stateOf('one', 'running')
  t.match(await said(['exec', 'web', '-c', 'one', '--', 'echo', 'marco']), {
    code: 0,
    stdout: 'marco\n',
  })
  await eventually(async () =>
    (await said(['logs', 'web', '-c', 'one'])).stdout.includes('polo'),
  )
  t.equal(part(await shown(), 'metadata')['generation'], 2)

  t.match(
    await said(['debug', '-i', 'web', image], 'hostname; exit 7\n'),
    {
      code: 7,
      stdout: 'web\n',
      stderr: /^Defaulting debug container name to debugger-\w{5}\.\n$/,
    },
    'what is typed, what it prints, and its exit code',
  )
  t.match(
    await said(
      ['debug', '-iq', 'web', image, '--target=c', '-c', 'sees'],
      `cat /proc/1/cmdline | tr '\\0' ' '; ls /proc/1/root/dev/termination-log; exit\n`,
    ),
    { code: 0, stdout: /^sh -c trap exit TERM.*\/dev\/termination-log/s },
    "it sees the other container's processes, and its files through them",
  )
  t.match(await said(['debug', '-iq', 'web', '--image=nope:1']), {
    code: 1,
    stderr:
      /^error: container debugger-\w+: no program of this machine is known for the image "nope:1"\n {2}-- COMMAND, or an entry for the image/,
  })
  for (const name of ['one', 'c'])
    t.match(await said(['debug', 'web', image, '-c', name]), {
      code: 1,
      stderr: `error: the Pod has a container ${name} already\n`,
    })
  t.match(await said(['debug', 'web', image, '--target=nope']), {
    code: 1,
    stderr:
      /spec.ephemeralContainers\[4\].targetContainerName: Not found: "nope"/,
  })
  for (const [args, stderr] of [
    [['web'], /^error: you must specify --image\n/],
    [['web', image, '--copy-to=other'], /^error: --copy-to is not supported/],
    [['node/here', image], /^error: debugging a node is not supported/],
  ] as const)
    t.match(await said(['debug', ...args]), { code: 2, stderr })

  const [one, ...others] = await statuses()
  t.match(one, { name: 'one', restartCount: 0, ready: false })
  t.notOk('started' in (one ?? {}))
  t.equal(others.length, 3, 'they stay in the order in which they came')
  const { stdout } = await said(['describe', 'pod', 'web'])
  t.match(stdout, /^Ephemeral Containers:\n {2}one:\n/m)
  t.match(
    (await said(['get', 'events', '-o', 'json'])).stdout,
    /"fieldPath": "spec.ephemeralContainers\{one\}"/,
  )
  t.match((await said(['get', 'pods'])).stdout, /^web +1\/1 +Running +0 /m)

  run.child.kill('SIGINT')
  t.match(await run.ended, { stdout: /^one +\| polo$/m })
  t.equal(processesWith(sleeps).length, 0, 'it ends with its Pod')
})

t.test('the subresource ephemeralcontainers (C349)', async t => {
  const { run, socket, stateOf, shown } = await running(t)
  const send = (method: string, body: unknown, type: string) =>
    sendTo(socket, method, body, type)
  const add = (...containers: readonly JsonObject[]) =>
    send('PATCH', { spec: { ephemeralContainers: containers } }, merge)
  const sh = (script: string) => ({
    image: 'busybox',
    command: ['sh', '-c', script],
  })
  t.match(
    await add({
      ...sh('cat /cfg/colour; echo $WORD; exit 3'),
      name: 'one',
      env: [
        {
          name: 'WORD',
          valueFrom: { secretKeyRef: { name: 'key', key: 'word' } },
        },
      ],
      volumeMounts: [{ name: 'cfg', mountPath: '/cfg' }],
    }),
    {
      code: 200,
      body: {
        metadata: { generation: 2 },
        spec: { ephemeralContainers: [{ name: 'one' }] },
      },
    },
  )
  t.match(
    await stateOf('one', 'terminated'),
    {
      restartCount: 0,
      state: { terminated: { exitCode: 3, reason: 'Error' } },
    },
    'with a volume that no other container mounts; and it is not started again',
  )
  t.match(
    await askSocket(
      socket,
      '/api/v1/namespaces/default/pods/web/log?container=one',
    ),
    'bluehidden\n',
  )
  const ports = await add({
    ...sh('true'),
    name: 'two',
    ports: [{ containerPort: 80 }],
    livenessProbe: { exec: { command: ['true'] } },
    resources: { limits: { cpu: '1' } },
  })
  t.equal(ports.code, 422)
  for (const field of ['ports', 'livenessProbe', 'resources'])
    t.match(
      ports.body['message'],
      `spec.ephemeralContainers[1].${field}: Forbidden: cannot be set for an Ephemeral Container`,
    )
  const now = await shown()
  t.match(
    await send(
      'PUT',
      { ...now, spec: { ...part(now, 'spec'), ephemeralContainers: [] } },
      'application/json',
    ),
    {
      code: 422,
      body: {
        message:
          'Pod "web" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers "one" may not be removed',
      },
    },
  )
  t.match(await add({ name: 'one', image: 'debian' }), {
    code: 422,
    body: {
      message:
        'Pod "web" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers "one" may not be changed',
    },
  })
  t.match(await add({ ...sh('true'), name: 'c' }), {
    code: 422,
    body: { message: /ephemeralContainers\[1\].name: Duplicate value: "c"/ },
  })
  const [one] = items(part(now, 'spec'), 'ephemeralContainers')
  t.match(
    await send(
      'PUT',
      {
        ...now,
        metadata: { ...part(now, 'metadata'), labels: { other: 'ignored' } },
        spec: {
          ephemeralContainers: [
            {
              ...sh(sleeps),
              name: 'two',
              securityContext: { privileged: true },
            },
            one,
          ],
        },
      },
      'application/json',
    ),
    { code: 200, body: { metadata: { generation: 3 } } },
  )
  await stateOf('two', 'running')
  await run.saw(/privileged: two can do on this machine/, 'stderr')
  const last = await shown()
  t.strictSame(
    items(part(last, 'spec'), 'ephemeralContainers').map(({ name }) => name),
    ['one', 'two'],
  )
  t.notOk('labels' in part(last, 'metadata'), 'all else is as nothing')
  run.child.kill('SIGINT')
  await run.ended
})

t.test('a terminal', async t => {
  const { run, asked } = await running(t)
  const debug = ['debug', '-it', 'web', '--image=busybox', '--target=c']
  const terminal = await startOnTerminal(t, [
    process.execPath,
    program,
    ...asked(...debug),
  ])
  await terminal.saw(/try pressing enter/)
  terminal.type('tty; stty size\n')
  await terminal.saw(/\/dev\/pts\/\d+\r\n40 120\r\n/)
  terminal.type('exit 5\n')
  t.equal(await terminal.exited, 5)
  run.child.kill('SIGINT')
  await run.ended
})

for (const [title, more] of [
  ["another container's PID namespace", ''],
  ['a shared PID namespace', 'shareProcessNamespace: true'],
  [
    "another container's PID namespace, and a cgroup",
    'resources: {limits: {memory: 256Mi}}',
  ],
] as const)
  t.test(`what is left in ${title}`, async t => {
    const { run, said } = await running(t, more)
    const left = `sleep ${process.pid}.25`
    t.match(
      await said(
        ['debug', '-iq', 'web', '--image=busybox', '--target=c'],
        // Who has just been started is a shell for a moment.
        `${left} & until ps | grep -q "[s]leep .*[.]25"; do :; done; ps | grep -e "[t]rap exit" -e "[s]leep .*[.]25"; exit\n`,
      ),
      { code: 0, stdout: /trap exit[^]*sleep \d+\.25/ },
    )
    await eventually(() => processesWith(left).length === 0)
    t.match(await said(['exec', 'web', '--', 'echo', 'alive']), {
      stdout: 'alive\n',
    })
    run.child.kill('SIGINT')
    await run.ended
  })

t.test('kubectl debug', { skip: capability('kubectl') }, async t => {
  const { run, socket } = await running(t)
  const server = await tcpTo(t, socket)
  const terminal = await startOnTerminal(t, [
    'kubectl',
    '--server',
    server,
    'debug',
    '-it',
    'web',
    '--image=busybox',
    '--target=c',
  ])
  await terminal.saw(/[$#] |try pressing enter/)
  terminal.type('echo mar""co\n')
  await terminal.saw(/marco\r\n/)
  terminal.type('exit\n')
  t.equal(await terminal.exited, 0)
  t.match(
    await kubectl(server, [
      'debug',
      'web',
      '--image=busybox',
      '-c',
      'two',
      '--',
      'echo',
      'polo',
    ]),
    { code: 0 },
  )
  await eventually(async () => {
    const { stdout } = await kubectl(server, ['logs', 'web', '-c', 'two'])
    return stdout === 'polo\n'
  })
  run.child.kill('SIGINT')
  await run.ended
})

t.test('podfs serve, and the next one', async t => {
  const w = world(t, {
    'web.yaml': [
      pod('web', '', { run: 'true', command: waits }),
      secret('key', '{word: hidden}'),
    ].join(''),
  })
  let serving = await w.start()
  const asks = (): ReturnType<typeof asking> => asking(t, w.root)
  await eventually(async () => {
    const { code } = await asks().said(['exec', 'web', '--', 'true'])
    return code === 0
  })
  const socket = `${runtimeDirectory}/serve-${serving.pid}/api.sock`
  const { code } = await sendTo(
    socket,
    'PATCH',
    {
      spec: {
        ephemeralContainers: [
          {
            name: 'one',
            image: 'busybox',
            command: ['sh', '-c', `echo $WORD; ${sleeps}`],
            env: [
              {
                name: 'WORD',
                valueFrom: { secretKeyRef: { name: 'key', key: 'word' } },
              },
            ],
          },
        ],
      },
    },
    merge,
  )
  t.equal(code, 200)
  const before = await asks().stateOf('one', 'running')
  serving.child.kill('SIGKILL')
  await serving.ended
  serving = await w.start()
  const after = await asks().stateOf('one', 'running')
  t.equal(after['containerID'], before['containerID'])
  t.equal((await asks().said(['logs', 'web', '-c', 'one'])).stdout, 'hidden\n')
  w.write('more.yaml', configMap('more', '{a: b}'))
  t.match(
    await asks().said(['debug', '-iq', 'web', '--image=busybox'], 'exit 4\n'),
    {
      code: 4,
    },
  )
  t.strictSame(
    (await asks().statuses()).map(({ name }) => text(name).slice(0, 8)),
    ['one', 'debugger'],
    'it is the same Pod, with both',
  )
  await end(t, serving)
  t.equal(processesWith(sleeps).length, 0)
})
