import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'

import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import t from 'tap'

import { probeGrpc } from '../../src/runner/lifecycle/probes/grpc-probe.ts'
import {
  decodeHealth,
  encodeService,
} from '../../src/runner/lifecycle/probes/health-messages.ts'
import { healthServer } from '../helpers/health-server.ts'

const host = '127.0.0.1'
const never = (): AbortSignal => new AbortController().signal

t.test('C255: the health protocol', async t => {
  const { port, agents } = await healthServer(t, {
    '': 1,
    down: 2,
    odd: 9,
    [`long-${'x'.repeat(200)}`]: 1,
  })
  const look = (service?: string) =>
    probeGrpc(
      host,
      { port, ...(service !== undefined && { service }) },
      1000,
      never(),
    )
  t.same(await look(), { outcome: 'success' })
  t.match(agents[0], /^kube-probe\/1\.34 /)
  t.same(await look(`long-${'x'.repeat(200)}`), { outcome: 'success' })
  t.same(await look('down'), {
    outcome: 'failure',
    output: 'service unhealthy (responded with "NOT_SERVING")',
  })
  t.same(await look('odd'), {
    outcome: 'failure',
    output: 'service unhealthy (responded with "9")',
  })
  t.same(await look('nope'), {
    outcome: 'failure',
    output:
      'error: health rpc probe failed: rpc error: code = NotFound desc = unknown service',
  })
})

t.test('4.2: a server without it', async t => {
  const server = new Server()
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      `${host}:0`,
      ServerCredentials.createInsecure(),
      (error, bound) => (error === null ? resolve(bound) : reject(error)),
    ),
  )
  t.teardown(() => server.forceShutdown())
  t.match(await probeGrpc(host, { port }, 1000, never()), {
    outcome: 'failure',
    output:
      /^error: this server does not implement the grpc health protocol \(grpc\.health\.v1\.Health\): /,
  })
})

t.test('C256: nobody listens, and nobody answers', async t => {
  /** Takes connections, and is silent. */
  const server = createServer(socket => socket.on('error', () => undefined))
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const abort = new AbortController()
  const silent = probeGrpc(host, { port }, 60_000, abort.signal)
  const [socket] = (await once(server, 'connection')) as [{ destroy(): void }]
  abort.abort()
  t.same(await silent, {
    outcome: 'failure',
    output: `timeout: failed to connect service "${host}:${port}" within 1m0s: context deadline exceeded`,
  })
  socket.destroy()
  await new Promise(resolve => server.close(resolve))
  const refused = new AbortController()
  setTimeout(() => refused.abort(), 50)
  t.match(await probeGrpc(host, { port }, 1000, refused.signal), {
    outcome: 'failure',
    output: /^timeout: failed to connect service ".*" within 1s: /,
  })
  const { port: slow, asked } = await healthServer(t, {}, { isSilent: true })
  const late = new AbortController()
  const looking = probeGrpc(host, { port: slow }, 2000, late.signal)
  await asked
  late.abort()
  t.same(await looking, {
    outcome: 'failure',
    output: 'timeout: health rpc did not complete within 2s',
  })
})

t.test('health.proto', async t => {
  t.same(encodeService(''), Buffer.alloc(0))
  t.same(encodeService('ab'), Buffer.from([0x0a, 2, 0x61, 0x62]))
  t.same(
    encodeService('x'.repeat(300)).subarray(0, 4),
    Buffer.from([0x0a, 0xac, 0x02, 0x78]),
  )
  t.equal(decodeHealth(Buffer.alloc(0)), 'UNKNOWN')
  t.equal(decodeHealth(Buffer.from([0x08, 3])), 'SERVICE_UNKNOWN')
  t.equal(status.UNIMPLEMENTED, 12)
})
