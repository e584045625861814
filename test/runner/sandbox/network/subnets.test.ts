import t from 'tap'
import { forwarded } from '../../../../src/runner/sandbox/network/pasta-network.ts'
import { ownNetworkList } from '../../../../src/runner/sandbox/network/network-list.ts'
import {
  chooseServiceSubnet,
  chooseSubnet,
  hostLocalRange,
  routedNets,
  wantedAddress,
} from '../../../../src/runner/sandbox/network/subnets.ts'
import { isSamePort } from '../../../../src/runner/sandbox/network/taken-ports.ts'

t.test('the nets that the kernel has a route to', async t => {
  const table = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
tun0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t0000720A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0
podfs0\t0000710A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`
  t.same(routedNets(table, 'podfs0'), ['192.168.0.0/16', '10.114.0.0/20'])
  t.same(routedNets('', 'podfs0'), [])
})

t.test('a subnet that nobody else has', async t => {
  t.equal(chooseSubnet([]), '10.113.0.0/16')
  t.equal(chooseSubnet(['10.113.200.0/24']), '10.114.0.0/16')
  t.equal(chooseSubnet(['10.112.0.0/12']), '10.128.0.0/16')
  t.equal(chooseSubnet(['10.0.0.0/8']), '172.25.0.0/16')
  t.equal(chooseSubnet(['10.0.0.0/8', '172.16.0.0/12']), '192.168.200.0/24')
  t.equal(
    chooseSubnet(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']),
    undefined,
  )
})

t.test('Services have another one', async t => {
  t.equal(chooseServiceSubnet([]), '10.241.0.0/16')
  t.equal(chooseServiceSubnet(['10.240.0.0/12']), '172.23.0.0/16')
  t.equal(
    chooseServiceSubnet(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']),
    undefined,
  )
})

t.test('an address that stays', async t => {
  const of = (subnet: string, name: string, attempt = 0) =>
    wantedAddress({ subnet }, 'default', name, attempt)
  t.equal(of('10.113.0.0/16', 'web'), of('10.113.0.0/16', 'web'))
  t.match(of('10.113.0.0/16', 'web'), /^10\.113\.\d+\.\d+$/)
  t.not(of('10.113.0.0/16', 'web'), of('10.113.0.0/16', 'db'))
  t.not(of('10.113.0.0/16', 'web'), of('10.113.0.0/16', 'web', 1))
  const all = new Set(
    Array.from({ length: 200 }, (_, i) => of('10.1.1.8/29', `p${i}`)),
  )
  t.same(
    all,
    new Set([10, 11, 12, 13, 14].map(n => `10.1.1.${n}`)),
    'not the net’s, the gateway’s or everybody’s',
  )
  const range = {
    subnet: '10.1.1.0/24',
    rangeStart: '10.1.1.20',
    rangeEnd: '10.1.1.21',
    gateway: '10.1.1.20',
  }
  const some = new Set(
    Array.from({ length: 50 }, (_, i) => wantedAddress(range, 'd', `p${i}`, 0)),
  )
  t.same(some, new Set([undefined, '10.1.1.21']), 'as the range says')
  t.equal(of('10.1.1.1/32', 'web'), undefined)
})

t.test('where host-local gives addresses', async t => {
  const own = { subnet: '10.1.0.0/16', dataDir: '/d', hasFirewall: false }
  t.same(hostLocalRange(ownNetworkList(own)), {
    range: { subnet: '10.1.0.0/16' },
    store: '/d/podfs',
  })
  const list = (ipam: Readonly<Record<string, unknown>>) => ({
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [{ type: 'ptp', ipam }],
  })
  t.match(hostLocalRange(list({ type: 'host-local', subnet: '10.2.0.0/16' })), {
    range: { subnet: '10.2.0.0/16' },
    store: '/var/lib/cni/networks/net',
  })
  t.equal(hostLocalRange(list({ type: 'dhcp' })), undefined)
  const v6 = { type: 'host-local', ranges: [[{ subnet: 'fd00::/64' }]] }
  t.equal(hostLocalRange(list(v6)), undefined)
})

t.test('one port of a machine', async t => {
  const at = (hostIP?: string, protocol = 'TCP', hostPort = 80) => ({
    hostPort,
    containerPort: 1,
    protocol,
    ...(hostIP === undefined ? {} : { hostIP }),
  })
  t.ok(isSamePort(at(), at('127.0.0.1')))
  t.ok(isSamePort(at('0.0.0.0'), at('127.0.0.1')))
  t.notOk(isSamePort(at('127.0.0.2'), at('127.0.0.1')))
  t.notOk(isSamePort(at(), at(undefined, 'UDP')))
  t.notOk(isSamePort(at(), at(undefined, 'TCP', 81)))
})

t.test('where pasta listens', async t => {
  const tcp = { containerPort: 80, protocol: 'TCP' }
  const udp = { containerPort: 53, protocol: 'UDP' }
  const of = (...mappings: Parameters<typeof forwarded>[4][number][]) =>
    forwarded('-t', 'TCP', '10.1.1.2', [tcp, udp, tcp], mappings).join(' ')
  t.equal(of(), '-t 10.1.1.2/80')
  t.equal(
    of(
      { ...tcp, hostPort: 8080 },
      { containerPort: 81, protocol: 'TCP', hostPort: 8081, hostIP: '::1' },
      { ...udp, hostPort: 5353 },
    ),
    '-t 10.1.1.2/80,81 -t 8080:80 -t ::1/8081:81',
  )
  t.same(forwarded('-u', 'UDP', '10.1.1.2', [tcp], []), ['-u', 'none'])
})
