import t from 'tap'
import { askZone } from '../../src/services/dns/zone.ts'
import type { ServiceEntry } from '../../src/services/service-table.ts'

/*
 * The names of Services, beside DNS-Based Service Discovery of kubernetes/dns, 1.1.0.
 */

const web: ServiceEntry = {
  namespace: 'shop',
  name: 'web',
  ip: '127.1.1.1',
  ports: [
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: 'dns', protocol: 'UDP', port: 53 },
  ],
  endpoints: [{ ip: '127.9.9.9', targets: [8080, 5353] }],
}
const db: ServiceEntry = {
  namespace: 'shop',
  name: 'db',
  ports: [{ name: 'pg', protocol: 'TCP', port: 5432 }],
  endpoints: [
    { ip: '127.2.2.2', hostname: 'db-0', targets: [5433] },
    { ip: '127.3.3.3', targets: [5433] },
  ],
}
const services = [
  web,
  db,
  {
    namespace: 'shop',
    name: 'ext',
    externalName: 'example.org',
    ports: [],
    endpoints: [],
  },
  { namespace: 'shop', name: 'none', ports: [], endpoints: [] },
  {
    namespace: 'shop',
    name: 'empty',
    ports: [{ name: 'pg', protocol: 'TCP', port: 5432 }],
    endpoints: [],
  },
  {
    namespace: 'shop',
    name: 'plain',
    ip: '10.96.100.12',
    ports: [{ protocol: 'TCP', port: 80 }],
    endpoints: [],
  },
  {
    namespace: 'shop',
    name: 'named',
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    endpoints: [{ ip: '127.4.4.4', targets: [undefined] }],
  },
]
const table = { clusterDomain: 'cluster.local', nameserver: '', services }

/** `-`: there is no such name; undefined: it is none of the cluster's. */
function ask(name: string, type = 'A'): readonly string[] | '-' | undefined {
  const answer = askZone(table, name, type)
  if (answer === undefined) return undefined
  if (!answer.exists) return '-'
  return answer.answers.map(({ type, data }) =>
    typeof data === 'string'
      ? `${type} ${data}`
      : `${type} ${Object.values(data).join(' ')}`,
  )
}

t.test('names and their addresses', async t => {
  const cases = [
    ['web.shop.svc.cluster.local', ['A 127.1.1.1']],
    ['WEB.Shop.svc.cluster.LOCAL', ['A 127.1.1.1']],
    ['db.shop.svc.cluster.local', ['A 127.2.2.2', 'A 127.3.3.3']],
    ['db-0.db.shop.svc.cluster.local', ['A 127.2.2.2']],
    ['127-3-3-3.db.shop.svc.cluster.local', ['A 127.3.3.3']],
    ['ext.shop.svc.cluster.local', ['CNAME example.org']],
    ['127-5-5-5.shop.pod.cluster.local', ['A 127.5.5.5']],
    ['web.shop.svc.cluster.local.', ['A 127.1.1.1']],
    ['10-20-30-44.shop.pod.cluster.local', ['A 10.20.30.44']],
    ['none.shop.svc.cluster.local', '-'],
    ['127-9-9-9.web.shop.svc.cluster.local', '-'],
    ['web.shop.wrong.cluster.local', '-'],
    ['nope.svc.cluster.local', '-'],
    ['nope.shop.pod.cluster.local', '-'],
    ['x-1-2-3-4.shop.pod.cluster.local', '-'],
    ['1-2-3-4-x.shop.pod.cluster.local', '-'],
    ['1-2-3-4.shop.x.pod.cluster.local', '-'],
    ['x.db.shop.svc.cluster.local', '-'],
    ['pod.cluster.local', []],
    ['shop.pod.cluster.local', []],
    ['web.other.svc.cluster.local', '-'],
    ['x.web.shop.svc.cluster.local', '-'],
    ['x.y.z.web.shop.svc.cluster.local', '-'],
    ['web.shop.cluster.local', '-'],
    ['svc.cluster.local', []],
    ['shop.svc.cluster.local', []],
    ['cluster.local', []],
    ['web', undefined],
    ['web.shop.svc.cluster.local.example.org', undefined],
    ['example.org', undefined],
  ] as const
  for (const [name, wanted] of cases) t.strictSame(ask(name), wanted, name)
})

t.test('no IPv6, but no error either', async t => {
  t.strictSame(ask('web.shop.svc.cluster.local', 'AAAA'), [])
  t.strictSame(ask('db-0.db.shop.svc.cluster.local', 'AAAA'), [])
  t.strictSame(ask('ext.shop.svc.cluster.local', 'AAAA'), ['CNAME example.org'])
})

t.test('SRV and PTR', async t => {
  t.strictSame(ask('_http._tcp.web.shop.svc.cluster.local', 'SRV'), [
    'SRV 0 100 80 web.shop.svc.cluster.local',
  ])
  t.strictSame(ask('_pg._tcp.db.shop.svc.cluster.local', 'SRV'), [
    'SRV 0 50 5433 db-0.db.shop.svc.cluster.local',
    'SRV 0 50 5433 127-3-3-3.db.shop.svc.cluster.local',
  ])
  t.strictSame(ask('_http._udp.web.shop.svc.cluster.local', 'SRV'), '-')
  t.match(askZone(table, '_pg._tcp.db.shop.svc.cluster.local', 'SRV'), {
    additionals: [{ type: 'A', data: '127.2.2.2' }, { data: '127.3.3.3' }],
  })
  t.strictSame(ask('1.1.1.127.in-addr.arpa', 'PTR'), [
    'PTR web.shop.svc.cluster.local',
  ])
  t.strictSame(ask('2.2.2.127.in-addr.arpa', 'PTR'), [
    'PTR db-0.db.shop.svc.cluster.local',
  ])
  t.equal(ask('9.9.9.127.in-addr.arpa', 'PTR'), undefined, 'of a Pod: none')
})

t.test('a port by its name and protocol', async t => {
  const cases = [
    ['_http._tcp.extra.web.shop.svc.cluster.local', '-'],
    ['xhttp._tcp.web.shop.svc.cluster.local', '-'],
    ['_http.xtcp.web.shop.svc.cluster.local', '-'],
    ['_http._tcp.plain.shop.svc.cluster.local', '-'],
    ['_pg._tcp.empty.shop.svc.cluster.local', '-'],
    ['empty.shop.svc.cluster.local', '-'],
    ['_http._tcp.named.shop.svc.cluster.local', []],
    [
      'web.shop.svc.cluster.local',
      [
        'SRV 0 50 80 web.shop.svc.cluster.local',
        'SRV 0 50 53 web.shop.svc.cluster.local',
      ],
    ],
  ] as const
  for (const [name, wanted] of cases)
    t.strictSame(ask(name, 'SRV'), wanted, name)
})

t.test('an address by its name', async t => {
  const cases = [
    ['12.100.96.10.in-addr.arpa', ['PTR plain.shop.svc.cluster.local']],
    ['x.1.1.1.127.in-addr.arpa', undefined],
    ['1.1.1.127.in-addr.arpa.example', undefined],
  ] as const
  for (const [name, wanted] of cases)
    t.strictSame(ask(name, 'PTR'), wanted, name)
})

t.test('nothing else is in an answer', async t => {
  const there = { exists: true, answers: [], additionals: [] }
  const cases = [
    ['1.1.1.127.in-addr.arpa', 'A', there],
    ['127-5-5-5.shop.pod.cluster.local', 'AAAA', there],
    ['db-0.db.shop.svc.cluster.local', 'AAAA', there],
    ['_http._tcp.web.shop.svc.cluster.local', 'A', there],
    ['web.shop.svc.cluster.local', 'AAAA', there],
    ['cluster.local', 'A', there],
    ['ext.shop.svc.cluster.local', 'A', { additionals: [] }],
    ['1.1.1.127.in-addr.arpa', 'PTR', { additionals: [] }],
    ['nope.shop.svc.cluster.local', 'A', { ...there, exists: false }],
  ] as const
  for (const [name, type, wanted] of cases)
    t.strictSame(
      { ...askZone(table, name, type), ...wanted },
      askZone(table, name, type),
      `${name} ${type}`,
    )
})
