/*
 * Commands in running containers: `podfs exec`, kubectl's, and the API's WebSocket.
 */
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
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
import { end, pod, world } from '../helpers/served-world.ts'
import { interruptSleep, startOnTerminal } from '../helpers/typed.ts'

t.setTimeout(300_000)

const program = path.resolve('dist/podfs.cjs')
const waits = 'trap exit TERM; echo started; sleep 1000 & wait'

/** A Pod that `podfs run` runs; `asked` are the flags that name it. */
async function running(t: Test, more = '', name = 'exec') {
  const dir = t.testdir({
    'pod.yaml': pod(name, '', { command: waits, more }),
  })
  const run = startPodfs(t, ['run', '-f', `${dir}/pod.yaml`])
  await run.saw(/started/)
  const session = `run-${run.pid}`
  // The API comes when nothing else is to be done.
  await podfs(t, ['exec', name, '--session', session, '--', 'true'])
  return {
    run,
    socket: `${runtimeDirectory}/${session}/api.sock`,
    exec: (...args: readonly string[]) => [
      'exec',
      name,
      '--session',
      session,
      ...args,
    ],
  }
}

t.test('podfs exec', async t => {
  const { exec, run } = await running(
    t,
    'securityContext: {runAsUser: 65534, runAsGroup: 65534}',
  )
  const said = (
    args: readonly string[],
    options: Parameters<typeof podfs>[2] = {},
  ) => podfs(t, exec(...args), options)

  t.match(
    await said(['--', 'sh', '-c', 'echo out; echo err >&2; exit 7']),
    {
      code: 7,
      stdout: 'out\n',
      stderr: 'err\ncommand terminated with exit code 7\n',
    },
    'each stream by itself, and the exit code',
  )
  t.match(await said(['--quiet', '--', 'sh', '-c', 'kill -9 $$']), {
    code: 137,
    stderr: '',
  })
  t.match(
    await said(['--', 'sh', '-c', 'id -u; echo x > /dev/stdout; cat']),
    { code: 0, stdout: '65534\nx\n', stderr: '' },
    'as the container, and without -i with nothing to read',
  )
  const input = 'line\n'.repeat(100_000)
  t.match(
    await said(['-i', '--', 'sh', '-c', 'sleep 0.2; cat /dev/stdin'], {
      input,
    }),
    { code: 0, stdout: input },
    'as much as comes, which a program may open again',
  )
  t.match(
    await said(['-i', '--', 'head', '-n', '1'], { input }),
    { code: 0, stdout: 'line\n' },
    'a program that does not read all of it',
  )
  t.match(await said(['-it', '--', 'tty'], { input: '' }), {
    code: 1,
    stdout: 'not a tty\n',
    stderr: /^Unable to use a TTY - input is not a terminal/,
  })
  t.match(await said(['--', 'ls', '--help']), { code: 0, stdout: /ls/ })
  t.match(await said(['--', 'no-such-program']), {
    code: 1,
    stderr:
      'error: Internal error occurred: error executing command in container: exec: "no-such-program": executable file not found in $PATH\n',
  })
  t.match(await said(['-c', 'other', '--', 'ls']), {
    code: 1,
    stderr:
      'Error from server (BadRequest): container other is not valid for pod exec\n',
  })
  t.match(await said([]), {
    code: 2,
    stderr:
      'error: you must specify at least one command for the container\n  podfs exec exec -- COMMAND\n',
  })

  await t.test('whoever leaves hangs up', async t => {
    const seconds = `98765.${process.pid}`
    const client = startPodfs(
      t,
      exec('--', 'sh', '-c', `trap '' HUP PIPE; echo up; sleep ${seconds}`),
    )
    await client.saw(/up/)
    t.not(processesWith(seconds).length, 0)
    client.child.kill('SIGKILL')
    await eventually(() => processesWith(seconds).length === 0)
    const stuck = startPodfs(
      t,
      exec('-i', '--', 'sh', '-c', `echo up; exec sleep ${seconds}`),
      { input: 'x'.repeat(4_000_000) },
    )
    await stuck.saw(/up/)
    stuck.child.kill('SIGINT')
    t.match(await stuck.ended, { code: 130, stderr: '' })
    await eventually(() => processesWith(seconds).length === 0)
  })

  run.child.kill('SIGINT')
  t.equal((await run.ended).stderr.includes('error'), false)
})

/** What a person does there, with podfs or kubectl. */
async function useTerminal(t: Test, argv: readonly string[]): Promise<void> {
  const terminal = await startOnTerminal(t, argv)
  await terminal.saw(/[$#] /)
  terminal.type('stty size; tty; echo $TERM\n')
  await terminal.saw(/40 120\r\n\/dev\/pts\/\d+\r\nxterm\r\n/)
  terminal.type('trap "echo chan""ged" WINCH; echo rea""dy\n')
  await terminal.saw(/ready\r\n/)
  terminal.resize({ columns: 99, rows: 33 })
  await eventually(async () => {
    terminal.type('stty size\n')
    const [, size] = await terminal.saw(/(\d+ \d+)\r\n/)
    return size === '33 99'
  })
  const seconds = `76543.${process.pid}${argv.length}`
  await interruptSleep(terminal, seconds)
  terminal.type('exit 9\n')
  t.equal(await terminal.exited, 9)
}

t.test('a terminal', async t => {
  const { exec, run, socket } = await running(t)
  await t.test('of podfs exec -it', async t => {
    await useTerminal(t, [
      process.execPath,
      program,
      ...exec('-it', '--', 'sh'),
    ])
  })
  const skip = capability('kubectl')
  await t.test('of kubectl exec -it', { skip }, async t => {
    const server = await tcpTo(t, socket)
    await useTerminal(t, [
      'kubectl',
      '--server',
      server,
      'exec',
      '-it',
      'exec',
      '--',
      'sh',
    ])
  })
  await t.test('its window is closed', async t => {
    const word = randomUUID()
    const client = await startOnTerminal(t, [
      process.execPath,
      program,
      ...exec(
        '-it',
        '--',
        'sh',
        '-c',
        // A shell that has just begun to wait for another program may miss a signal.
        `: ${word}; trap exit INT; echo up; while :; do sleep 0.1; done`,
      ),
    ])
    await client.saw(/up\r\n/)
    client.type('\x03')
    await client.exited
    await eventually(() => processesWith(word).length === 0)
  })
  run.child.kill('SIGINT')
  await run.ended
})

t.test('kubectl exec', { skip: capability('kubectl') }, async t => {
  const { run, socket } = await running(t)
  const server = await tcpTo(t, socket)
  const exec = (...args: readonly string[]) =>
    kubectl(server, ['exec', 'exec', ...args])
  t.match(await exec('--', 'sh', '-c', 'echo out; echo err >&2; exit 7'), {
    code: 7,
    stdout: 'out\n',
    stderr: 'err\ncommand terminated with exit code 7\n',
  })
  t.match(await exec('--', 'no-such-program'), {
    code: 1,
    stderr: /error executing command in container: exec: "no-such-program"/,
  })
  t.match(await exec('-c', 'other', '--', 'ls'), {
    code: 1,
    stderr:
      'Error from server (BadRequest): container other is not valid for pod exec\n',
  })
  run.child.kill('SIGINT')
  await run.ended
})

/** All messages of a WebSocket, until it is closed. */
async function messages(
  socket: string,
  query: string,
  options: {
    readonly protocol?: string
    readonly origin?: string
    readonly send?: readonly Uint8Array[]
  },
): Promise<readonly string[] | number> {
  const { protocol, send = [], ...headers } = options
  const webSocket = new WebSocket(
    `ws://podfs/api/v1/namespaces/default/pods/exec/exec?${query}`,
    protocol === undefined ? [] : [protocol],
    { createConnection: () => connect(socket), ...headers },
  )
  const all: string[] = []
  webSocket.on('message', (data: Buffer) => all.push(data.toString('latin1')))
  webSocket.on('open', () => {
    for (const each of send) webSocket.send(each)
  })
  return await new Promise((resolve, reject) => {
    webSocket.on('close', code => resolve(code === 1000 ? all : code))
    webSocket.on('unexpected-response', (request, { statusCode = 0 }) => {
      request.destroy()
      resolve(statusCode)
    })
    webSocket.on('error', reject)
  })
}

t.test(
  'exec over WebSockets of every version of the protocol (C343)',
  async t => {
    const { run, socket } = await running(t)
    const ask = (
      words: readonly string[],
      options: Parameters<typeof messages>[2],
      streams = 'stdout=1&stderr=1',
    ) =>
      messages(
        socket,
        [streams, ...words.map(word => `command=${word}`)].join('&'),
        options,
      )
    const echo = ['echo', 'remote', 'execution', 'test']
    const said = ['\x01', '\x01remote execution test\n']
    for (const protocol of [undefined, 'channel.k8s.io'])
      t.strictSame(await ask(echo, { ...(protocol && { protocol }) }), said)
    for (const protocol of ['v4.channel.k8s.io', 'v5.channel.k8s.io']) {
      t.strictSame(await ask(echo, { protocol }), [
        ...said,
        '\x03{"metadata":{},"status":"Success"}',
      ])
      const [first, last] = (await ask(['false'], { protocol })) as string[]
      t.equal(first, '\x01')
      t.match(JSON.parse(String(last).slice(1)), {
        status: 'Failure',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '1' }] },
      })
    }
    t.strictSame(
      await ask(
        ['cat'],
        {
          protocol: 'v5.channel.k8s.io',
          send: [Buffer.from('\0typed'), Buffer.of(255, 0)],
        },
        'stdin=true&stdout=true',
      ),
      ['\x01', '\x01typed', '\x03{"metadata":{},"status":"Success"}'],
      'v5 can end the input',
    )
    t.equal(await ask(echo, { protocol: 'v9.channel.k8s.io' }), 400)
    t.equal(
      await ask(echo, { origin: 'http://localhost:8001' }),
      403,
      'a page in a browser cannot',
    )
    t.equal(await ask([], {}), 400)
    t.equal(await ask(echo, {}, 'stdin=false'), 400)
    run.child.kill('SIGINT')
    await run.ended
  },
)

t.test('in a Pod of podfs serve', async t => {
  const { root, start } = world(t, {
    'web.yaml': pod('served', '', { run: 'true', command: waits }),
  })
  const serving = await start()
  const exec = (...args: readonly string[]) => [
    'exec',
    'served',
    '--session',
    root,
    ...args,
  ]
  const input = 'line\n'.repeat(100_000)
  await eventually(async () => (await podfs(t, exec('--', 'true'))).code === 0)
  t.match(
    await podfs(
      t,
      exec('-i', '--', 'sh', '-c', 'cat; echo $PPID >&2; exit 3'),
      {
        input,
      },
    ),
    { code: 3, stdout: input },
  )
  t.match(await podfs(t, exec('--', 'no-such-program')), {
    code: 1,
    stderr: /error executing command in container: exec: "no-such-program"/,
  })
  t.match(await podfs(t, exec('-i', '--', 'head', '-n', '1'), { input }), {
    code: 0,
    stdout: 'line\n',
  })
  const terminal = await startOnTerminal(t, [
    process.execPath,
    program,
    ...exec('-it', '--', 'sh'),
  ])
  await terminal.saw(/[$#] /)
  terminal.type('stty size\n')
  await terminal.saw(/40 120\r\n/)
  terminal.type('exit 5\n')
  t.equal(await terminal.exited, 5)

  t.comment('what was executed ends with the podfs that was asked')
  const seconds = `87654.${process.pid}`
  const client = startPodfs(
    t,
    exec('--', 'sh', '-c', `trap '' HUP PIPE; echo up; sleep ${seconds}`),
  )
  await client.saw(/up/)
  serving.child.kill('SIGKILL')
  t.match(await client.ended, { code: 1, stderr: /connection .* was lost/ })
  await eventually(() => processesWith(seconds).length === 0)
  await serving.ended.catch(() => undefined)
  const next = await start()
  t.match(await podfs(t, exec('--', 'echo', 'again')), { stdout: 'again\n' })
  await end(t, next)
})
