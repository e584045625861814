/*
 * kubectl port-forward, in both ways in which it asks: SPDY in a WebSocket, and SPDY alone.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { capability } from '../helpers/capability.ts'
import { tcpTo } from '../helpers/kubectl.ts'
import { freePort, host, listen } from '../helpers/loopback-server.ts'
import '../helpers/needs-mounts.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'

t.setTimeout(120_000)

const skip = capability('kubectl')

const pod = (name: string): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: debian, command: [sh, -c, 'echo up; exec sleep 1000']}
---`

/** kubectl, once it forwards; `local` is where. */
async function forward(
  t: Test,
  server: string,
  {
    pod,
    port,
    webSockets,
  }: {
    readonly pod: string
    readonly port: number
    readonly webSockets: boolean
  },
) {
  const child = spawn(
    'kubectl',
    ['--server', server, 'port-forward', pod, `:${port}`],
    {
      env: {
        PATH: process.env['PATH'],
        HOME: t.testdirName,
        KUBECTL_PORT_FORWARD_WEBSOCKETS: String(webSockets),
      },
    },
  )
  const exited = once(child, 'exit') as Promise<[number | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let said = ''
  for (const output of [child.stdout, child.stderr])
    output.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const saw = (pattern: RegExp): Promise<RegExpExecArray> =>
    eventually(() => pattern.exec(said) ?? undefined)
  const [, local] = await saw(/Forwarding from 127\.0\.0\.1:(\d+) ->/)
  return { local: Number(local), saw, exited }
}

/** What is answered to whoever ends his half of the connection with `sent`. */
async function asked(port: number, sent: Buffer | string): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true })
  socket.end(sent)
  return await text(socket)
}

/** Resolves when a connection that gets no answer is over, in whatever way. */
function refused(port: number): Promise<void> {
  const socket = connect({ port, host })
  socket.on('error', () => undefined)
  socket.end('hello')
  return new Promise(resolve => socket.resume().once('close', () => resolve()))
}

t.test('kubectl port-forward', { skip }, async t => {
  /** Says what it hears as it comes, and how much it was when all has come. */
  const echo = createServer({ allowHalfOpen: true }, socket => {
    let size = 0
    socket.on('data', (chunk: Buffer) => (size += chunk.length))
    socket.pipe(socket, { end: false })
    socket.on('end', () => socket.end(` ${size}`))
    socket.on('error', () => undefined)
  })
  const port = await listen(t, echo)
  const nobody = await freePort()
  const dir = t.testdir({ 'pods.yaml': pod('stays') + pod('goes') })
  const run = startPodfs(t, ['run', '-f', `${dir}/pods.yaml`, '--all'])
  await run.saw(/^stays\/c +\| up$/m)
  await run.saw(/^goes\/c +\| up$/m)
  const session = `run-${run.pid}`
  await podfs(t, [
    'wait',
    'pod/goes',
    '--for=condition=Ready',
    '--session',
    session,
  ])
  const server = await tcpTo(t, `${runtimeDirectory}/${session}/api.sock`)
  const lost = /lost connection to pod/

  for (const webSockets of [true, false])
    await t.test(webSockets ? 'in a WebSocket' : 'SPDY alone', async t => {
      const { local } = await forward(t, server, {
        pod: 'stays',
        port,
        webSockets,
      })
      t.equal(await asked(local, 'hello'), 'hello 5')
      t.equal(await asked(local, ''), ' 0', 'nothing but the end')
      const words = Array.from({ length: 60 }, (_, i) => `connection ${i}`)
      t.strictSame(
        await Promise.all(words.map(word => asked(local, word))),
        words.map(word => `${word} ${word.length}`),
      )
      const many = 'x'.repeat(20_000_000)
      const [one, other] = await Promise.all([
        asked(local, many),
        asked(local, 'beside it'),
      ])
      t.ok(one === `${many} ${many.length}`, 'much, both ways at once')
      t.equal(other, 'beside it 9')

      const left = connect({ port: local, host })
      left.on('error', () => undefined)
      left.write(many)
      await once(left, 'data')
      left.resetAndDestroy()
      t.equal(await asked(local, 'still'), 'still 5', 'one that breaks off')

      const wrong = await forward(t, server, {
        pod: 'stays',
        port: nobody,
        webSockets,
      })
      await refused(wrong.local)
      await wrong.saw(
        new RegExp(`error forwarding port ${nobody} to pod stays: .*REFUSED`),
      )
      await wrong.saw(lost)
      t.strictSame((await wrong.exited)[0], 1)
    })

  await t.test('the Pod is gone, whoever listens there now', async t => {
    const forwards = await Promise.all(
      [true, false].map(webSockets =>
        forward(t, server, { pod: 'goes', port, webSockets }),
      ),
    )
    await podfs(t, ['delete', 'pod', 'goes', '--session', session])
    for (const { local, saw, exited } of forwards) {
      await refused(local)
      await saw(
        new RegExp(
          `error forwarding port ${port} to pod goes: pod goes does not have a host assigned`,
        ),
      )
      await saw(lost)
      t.strictSame((await exited)[0], 1)
    }
  })

  await t.test('podfs ends', async t => {
    const forwards = await Promise.all(
      [true, false].map(webSockets =>
        forward(t, server, { pod: 'stays', port, webSockets }),
      ),
    )
    const open = connect({ port: forwards[0]?.local ?? 0, host })
    open.on('error', () => undefined)
    open.write('hello')
    await once(open, 'data')
    run.child.kill('SIGINT')
    await run.ended
    for (const { saw, exited } of forwards) {
      await saw(lost)
      t.strictSame((await exited)[0], 1)
    }
  })
})
