/*
 * A podfs that ends while it is asked: that is told, and is no mistake of the one that asks.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { ApiClient, askAll } from '../../src/client/api-client.ts'
import { identityOf } from '../../src/linux/process-identity.ts'
import { apiSocketName } from '../../src/session/session-server.ts'
import { systemClock } from '../../src/util/clock.ts'

const gone = { name: 'Failure', message: 'podfs mount-1 does not answer' }

/** A podfs that runs, with a socket. */
async function serve(
  t: Test,
  onConnection: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly client: ApiClient }> {
  const directory = path.join(t.testdir({ 'mount-1': {} }), 'mount-1')
  const server = createServer(onConnection)
  server.listen(path.join(directory, apiSocketName))
  await once(server, 'listening')
  t.teardown(() => server.close())
  const identity = identityOf(process.pid)
  if (identity === undefined) throw new Error('this process has no identity')
  const session = { ...identity, command: 'mount', directory, running: true }
  // It is not waited for.
  const clock = { ...systemClock, sleep: () => Promise.resolve() }
  return { server, client: new ApiClient(session as never, clock) }
}

t.test('before it has accepted the connection', async t => {
  const { server, client } = await serve(t, () => undefined)
  // The kernel has connected it, and drops it with the server's socket: EPIPE.
  const asked = client.get('/api')
  server.close()
  await t.rejects(asked, gone)
})

t.test('in the middle of its answer', async t => {
  const { client } = await serve(t, socket =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"kind":')
      socket.end()
    }),
  )
  await t.rejects(client.get('/api'), gone)
  await t.rejects(client.post('/api', {}), gone)
  t.strictSame(
    await askAll([client, client], each => each.get('/api')),
    [],
    'of several the others are asked all the same',
  )
})
