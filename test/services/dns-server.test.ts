import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import packet, { type Packet } from 'dns-packet'
import t, { type Test } from 'tap'
import { needsRoot } from '../helpers/capability.ts'
import { DnsServer } from '../../src/services/dns/dns-server.ts'
import type { ServiceEntry } from '../../src/services/service-table.ts'
import { systemClock } from '../../src/util/clock.ts'

/*
 * The DNS server on real sockets at port 53 of an address of this test, with a resolver of the
 * machine beside it that the test plays.
 */

const skip = needsRoot('port')

const address = (last: number): string =>
  `127.${150 + (process.pid % 50)}.${Math.floor(process.pid / 50) % 250}.${last}`

const services: readonly ServiceEntry[] = [
  {
    namespace: 'default',
    name: 'web',
    ip: '127.1.1.1',
    ports: [],
    endpoints: [],
  },
  {
    namespace: 'default',
    name: 'all',
    ports: [],
    endpoints: Array.from({ length: 100 }, (_, i) => ({
      ip: `127.9.9.${i}`,
      targets: [],
    })),
  },
  {
    namespace: 'default',
    name: 'ext',
    externalName: 'far.example',
    ports: [],
    endpoints: [],
  },
]

async function start(t: Test, resolver = true) {
  const upstream = createSocket('udp4')
  upstream.bind(53, address(2))
  await once(upstream, 'listening')
  t.teardown(() => upstream.close())
  upstream.on('message', (query, { port, address }) => {
    if (!resolver) return
    const { id = 0, questions = [] } = packet.decode(query)
    const name = questions[0]?.name ?? ''
    const answer = packet.encode({
      type: 'response',
      id,
      questions,
      answers: [{ type: 'A', name, ttl: 9, data: '10.1.1.1' }],
    })
    upstream.send(answer, port, address)
  })
  const dir = t.testdir({
    'resolv.conf': `nameserver ${address(1)}\nnameserver ${address(9)}\nnameserver ${address(2)}\n`,
  })
  const server = new DnsServer(
    { clusterDomain: 'cluster.local', nameserver: address(1), services },
    { resolvConf: `${dir}/resolv.conf`, clock: systemClock },
  )
  await server.listen()
  t.teardown(() => server.close())
}

function question(name: string, type = 'A', more: Partial<Packet> = {}) {
  return packet.encode({
    type: 'query',
    id: 7,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type: type as 'A' }],
    ...more,
  })
}

async function askUdp(query: Buffer): Promise<Packet> {
  const socket = createSocket('udp4')
  socket.send(query, 53, address(1))
  const [message] = (await once(socket, 'message')) as [Buffer]
  socket.close()
  return packet.decode(message)
}

async function askTcp(query: Buffer): Promise<Packet> {
  const socket = createConnection({ host: address(1), port: 53 })
  socket.write(packet.streamEncode(packet.decode(query)))
  let all = Buffer.alloc(0)
  for await (const chunk of socket) {
    all = Buffer.concat([all, chunk as Buffer])
    if (all.length >= 2 + all.readUInt16BE(0)) break
  }
  return packet.streamDecode(all)
}

const rcode = ({ flags = 0 }: Packet): number => flags & 15

t.test('names of the cluster', { skip }, async t => {
  await start(t)
  const found = await askUdp(question('Web.default.svc.cluster.local'))
  t.match(found, {
    id: 7,
    type: 'response',
    flag_aa: true,
    flag_rd: true,
    flag_ra: true,
    answers: [
      { type: 'A', name: 'Web.default.svc.cluster.local', data: '127.1.1.1' },
    ],
  })
  const unknown = await askUdp(question('no.default.svc.cluster.local'))
  t.equal(rcode(unknown), 3)
  t.match(unknown.authorities, [{ type: 'SOA', name: 'cluster.local' }])
  const none = await askUdp(question('web.default.svc.cluster.local', 'AAAA'))
  t.equal(rcode(none), 0)
  t.strictSame(none.answers, [])
})

t.test('what does not fit is asked for by TCP', { skip }, async t => {
  await start(t)
  const query = question('all.default.svc.cluster.local')
  const short = await askUdp(query)
  t.match(short, { flag_tc: true, answers: { length: 0 } })
  t.equal((await askTcp(query)).answers?.length, 100)
})

t.test('all other names are asked of the machine', { skip }, async t => {
  await start(t)
  // The server itself is among its name servers, and another one refuses.
  t.match(await askUdp(question('far.example')), {
    id: 7,
    answers: [{ data: '10.1.1.1', ttl: 9 }],
  })
  t.match(await askUdp(question('ext.default.svc.cluster.local')), {
    answers: [
      { type: 'CNAME', data: 'far.example' },
      { type: 'A', name: 'far.example', data: '10.1.1.1' },
    ],
  })
})

t.test('what is no question gets no answer', { skip }, async t => {
  await start(t)
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  for (const junk of ['', 'x', Buffer.alloc(12), Buffer.alloc(600, 0xff)])
    socket.send(junk, 53, address(1))
  t.match(await askUdp(question('web.default.svc.cluster.local')), {
    answers: { length: 1 },
  })
})
