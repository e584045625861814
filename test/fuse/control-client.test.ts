import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { ControlClient } from '../../src/fuse/mount/control-client.ts'

t.test('who is admitted late is admitted', async t => {
  // Short: a clone's path may be too long for a socket.
  const directory = mkdtempSync('/tmp/podfs-control-')
  t.teardown(() => rmSync(directory, { recursive: true }))
  const socket = path.join(directory, 'control.sock')
  // As a server on a loaded machine; longer than the client waits for an answer to anything else.
  const server = createServer(connection => {
    connection.on('error', () => undefined)
    connection.write('podfs 4711\n')
    connection.once('data', () =>
      setTimeout(() => connection.write('ok {}\n'), 2100),
    )
  }).listen(socket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const client = new ControlClient(socket)
  t.teardown(() => client.close())
  t.ok(await client.connected(60_000))
  t.equal(client.serverPid, 4711)
})
