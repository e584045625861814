/*
 * A podfs that ends while it is asked: that is told, and is no mistake of the one that asks.
 */
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { ApiClient, askAll } from '../../src/client/api-client.ts'
import { identityOf } from '../../src/linux/process-identity.ts'
import { apiSocketName } from '../../src/session/session-server.ts'
import { systemClock } from '../../src/util/clock.ts'
import { makeTemporaryDirectory } from '../helpers/fuse-mount.ts'

const gone = { name: 'Failure', message: 'podfs mount-1 does not answer' }

/** A podfs that runs, with a socket. */
async function serve(
  t: Test,
  onConnection: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly client: ApiClient }> {
  // Not below this clone: the path of a socket has 107 bytes at most.
  const directory = path.join(makeTemporaryDirectory(t), 'mount-1')
  mkdirSync(directory)
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
  // The kernel has connected it, and drops it with the server's socket: ECONNRESET.
  const asked = client.get('/api')
  server.close()
  await t.rejects(asked, gone)
})

t.test('before it is asked', async t => {
  const { server, client } = await serve(t, () => undefined)
  server.close()
  await once(server, 'close')
  const isGone = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(endingServer, {
    eval: true,
    workerData: {
      socket: path.join(client.session.directory, apiSocketName),
      isGone,
    },
  })
  await once(worker, 'message')
  // Connected here, and nothing is written yet: EPIPE.
  const asked = client.get('/api')
  Atomics.wait(isGone, 0, 0)
  await t.rejects(asked, gone)
  await worker.terminate()
})

/** Ends with its first connection, and says so. */
const endingServer = `
const { parentPort, workerData } = require('node:worker_threads')
const { socket, isGone } = workerData
const server = require('node:net').createServer(connection => {
  server.close()
  connection.destroy()
  connection.on('close', () => {
    Atomics.store(isGone, 0, 1)
    Atomics.notify(isGone, 0)
  })
})
server.listen(socket, () => parentPort.postMessage('listening'))
`

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
