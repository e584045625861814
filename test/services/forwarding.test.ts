import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type Server,
  type Socket,
} from 'node:net'
import t, { type Test } from 'tap'
import { decideListen } from '../../src/services/port-forward.ts'
import { ServiceProxy } from '../../src/services/service-proxy.ts'
import type {
  Endpoint,
  ServiceEntry,
} from '../../src/services/service-table.ts'
import { systemClock } from '../../src/util/clock.ts'
import { eventually } from '../helpers/podfs.ts'

/*
 * Services on real sockets, at addresses of this test alone: 127.200.PID.x.
 */

const address = (last: number): string =>
  `127.${200 + (process.pid % 50)}.${Math.floor(process.pid / 50) % 250}.${last}`
const port = 20_000 + (process.pid % 20_000)

const service = (
  endpoints: readonly Endpoint[],
  more: Partial<ServiceEntry> = {},
): ServiceEntry => ({
  namespace: 'default',
  name: 'web',
  ip: address(1),
  ports: [{ protocol: 'TCP', port }],
  endpoints,
  ...more,
})

function proxyOf(t: Test) {
  const told: string[] = []
  const proxy = new ServiceProxy({
    clock: systemClock,
    resolvConf: '/dev/null',
    // Names are another matter: only root may listen where they are asked for.
    tell: ({ say }) => {
      if (say.startsWith('port ')) told.push(say)
    },
  })
  t.teardown(() => proxy.close())
  return {
    told,
    apply: (...services: readonly ServiceEntry[]) =>
      proxy.apply({
        clusterDomain: 'cluster.local',
        nameserver: address(53),
        services,
      }),
  }
}

/** A server that says its name, then what it is told, until the client ends. */
async function server(
  t: Test,
  name: string,
  host: string,
  at = port + 1,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => undefined)
    socket.write(name)
    socket.pipe(socket)
  })
  server.listen({ host, port: at })
  await once(server, 'listening')
  t.teardown(() => server.close())
  return server
}

const connect = (host = address(1), at = port): Socket =>
  createConnection({ host, port: at, allowHalfOpen: true })

/** All that comes after `text` was sent and ended; the error's code where it fails. */
async function ask(text = '', host?: string, at?: number): Promise<string> {
  const socket = connect(host, at)
  socket.end(text)
  let said = ''
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return await new Promise(resolve => {
    socket.on('end', () => resolve(said))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code ?? ''),
    )
  })
}

const to = (ip: string, target = port + 1): Endpoint => ({
  ip,
  targets: [target],
})

t.test('one Pod after the other; none that has gone', async t => {
  const { apply } = proxyOf(t)
  await server(t, 'a', address(2))
  await server(t, 'b', address(3))
  await apply(service([to(address(2)), to(address(3))]))
  const answers = [await eventuallyAsked(), await ask('x'), await ask('y')]
  t.match(answers.join(' '), /^a bx ay$/, 'half-closed as it should be')
  const kept = connect()
  await once(kept, 'data')
  await apply(service([to(address(3))]))
  for (let i = 0; i < 4; i++) t.equal(await ask(), 'b')
  kept.end('still there')
  const [rest] = (await once(kept, 'data')) as [Buffer]
  t.equal(rest.toString(), 'still there', 'what is connected stays so')
  await apply(service([]))
  t.equal(await ask(), 'ECONNREFUSED', 'nobody listens where nobody answers')
  await apply(service([to(address(4)), to(address(3))]))
  t.equal(await eventuallyAsked(), 'b', 'one that refuses is passed by')
  await apply()
  t.equal(await ask(), 'ECONNREFUSED')
})

/** Listening takes its moment. */
async function eventuallyAsked(): Promise<string> {
  return await eventually(async () => {
    const answer = await ask()
    return answer === 'ECONNREFUSED' ? undefined : answer
  })
}

t.test('sessionAffinity: ClientIP', async t => {
  const { apply } = proxyOf(t)
  await server(t, 'a', address(2))
  await server(t, 'b', address(3))
  const both = [to(address(2)), to(address(3))]
  await apply(service(both, { affinitySeconds: 60 }))
  const first = await eventuallyAsked()
  for (let i = 0; i < 4; i++) t.equal(await ask(), first)
  await apply(service(both.slice(first === 'a' ? 1 : 0).slice(0, 1)))
  t.equal(await ask(), first === 'a' ? 'b' : 'a')
})

t.test('UDP, with the answers', async t => {
  const { apply } = proxyOf(t)
  const echo = createSocket('udp4')
  echo.on('message', (message, { address, port }) =>
    echo.send(`${message.toString()}!`, port, address),
  )
  echo.bind(port + 1, address(2))
  await once(echo, 'listening')
  t.teardown(() => echo.close())
  await apply(service([to(address(2))], { ports: [{ protocol: 'UDP', port }] }))
  const client = createSocket('udp4')
  t.teardown(() => client.close())
  const answered = once(client, 'message')
  // Until it listens a datagram is lost.
  const again = setInterval(() => client.send('hello', port, address(1)), 20)
  const [answer] = (await answered) as [Buffer]
  clearInterval(again)
  t.equal(answer.toString(), 'hello!')
})

t.test('the same port: a server on all addresses is left in peace', async t => {
  const { apply, told } = proxyOf(t)
  const same = [to(address(2), port)]
  await apply(service(same))
  // It is the Pod's, and would fail if the Service had taken the port already.
  const anywhere = await server(t, 'all', '0.0.0.0', port)
  t.equal(await ask('', address(1)), 'all')
  anywhere.close()
  await once(anywhere, 'close')
  await apply(service([]))
  await apply(service(same))
  await server(t, 'one', address(2), port)
  t.equal(
    await eventuallyAsked(),
    'one',
    'one at its own address is forwarded to',
  )
  t.strictSame(told, [])
})

t.test('another port that somebody has on all addresses', async t => {
  const { apply, told } = proxyOf(t)
  const other = await server(t, 'other', '0.0.0.0', port)
  await server(t, 'a', address(2))
  await apply(service([to(address(2))]))
  await eventually(() => told.length === 1)
  t.strictSame(told, ['port taken'])
  other.close()
  await once(other, 'close')
  t.equal(await eventuallyAsked(), 'a', 'as soon as it has gone')
})

t.test('what is decided of a port', async t => {
  const at = { ip: '127.1.1.1', port: 80 }
  const decide = (
    targets: readonly [string, number][],
    anywhere: readonly number[] = [],
    single: readonly string[] = [],
  ) =>
    decideListen(
      { at, targets: targets.map(([ip, port]) => ({ ip, port })) },
      { anywhere: new Set(anywhere), at: new Set(single) },
    )
  t.equal(decide([]), 'refuse')
  t.equal(decide([['127.2.2.2', 8080]]), 'listen')
  t.equal(decide([['127.2.2.2', 8080]], [8080]), 'listen')
  t.equal(decide([['127.2.2.2', 8080]], [80]), 'taken')
  t.equal(decide([['127.2.2.2', 80]], [80]), 'direct')
  t.equal(decide([['127.2.2.2', 80]]), 'wait')
  t.equal(decide([['127.2.2.2', 80]], [], ['127.2.2.2:80']), 'listen')
  const own = {
    at,
    targets: [{ ip: '10.1.1.1', port: 80, ownNetwork: true as const }],
  }
  const nobody = { anywhere: new Set<number>(), at: new Set<string>() }
  t.equal(decideListen(own, nobody), 'listen')
  t.equal(decideListen(own, { ...nobody, anywhere: new Set([80]) }), 'taken')
})
