import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import t from 'tap'
import { serverGone } from '../../src/fuse/mount/server-gone.ts'

const never = new AbortController().signal

t.test('a server that is gone', async t => {
  // Not t.testdir(): the kernel takes 107 bytes for a socket's path.
  const directory = await mkdtemp('/tmp/podfs-gone-')
  t.teardown(() => rm(directory, { recursive: true }))
  await serverGone(directory, never)
  t.pass('one that nobody can reach has gone')
  const server = createServer()
  server.listen(path.join(directory, 'control.sock'))
  await once(server, 'listening')
  const connected = once(server, 'connection')
  const gone = serverGone(directory, never)
  const [socket] = await connected
  socket.destroy()
  await gone
  t.pass('it is told')
  const leaving = new AbortController()
  const connectedAgain = once(server, 'connection')
  const left = serverGone(directory, leaving.signal)
  await connectedAgain
  leaving.abort()
  await left
  t.pass('nor does anybody wait who goes')
  await serverGone(directory, leaving.signal)
  server.close()
})
