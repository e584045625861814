import t from 'tap'
import {
  addressesOf,
  pluginCall,
  pluginsFor,
  type Attachment,
} from '../../../../src/runner/sandbox/network/cni-call.ts'
import {
  ownNetworkList,
  parseNetworkList,
} from '../../../../src/runner/sandbox/network/network-list.ts'

const list = parseNetworkList(
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [
      { type: 'bridge', mtu: 1400 },
      {
        type: 'portmap',
        capabilities: { portMappings: true, bandwidth: true },
      },
    ],
  }),
  'net.conflist',
)
const attachment: Attachment = {
  list,
  containerID: 'id',
  ifName: 'eth0',
  args: { IgnoreUnknown: '1', IP: '10.0.0.9' },
  portMappings: [
    { hostPort: 8080, containerPort: 80, protocol: 'UDP', hostIP: '127.0.0.1' },
  ],
}
const [bridge, portmap] = list.plugins as [never, never]
const about = { netns: '/proc/7/fd/9', binDirs: ['/a', '/b'] }
const prevResult = { cniVersion: '1.0.0', ips: [{ address: '10.0.0.9/24' }] }

t.test('what a plugin is told (CNI 1.0)', async t => {
  const first = pluginCall('ADD', attachment, bridge, about)
  t.same(first.env, {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'id',
    CNI_NETNS: '/proc/7/fd/9',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: 'IgnoreUnknown=1;IP=10.0.0.9',
    CNI_PATH: '/a:/b',
  })
  t.same(JSON.parse(first.config), {
    type: 'bridge',
    mtu: 1400,
    cniVersion: '1.0.0',
    name: 'net',
  })
  const second = pluginCall('ADD', attachment, portmap, {
    ...about,
    prevResult,
  })
  t.same(JSON.parse(second.config), {
    type: 'portmap',
    cniVersion: '1.0.0',
    name: 'net',
    prevResult,
    runtimeConfig: {
      portMappings: [
        {
          hostPort: 8080,
          containerPort: 80,
          hostIP: '127.0.0.1',
          protocol: 'udp',
        },
      ],
    },
  })
})

t.test('DEL goes backwards', async t => {
  const types = (command: 'ADD' | 'CHECK' | 'DEL') =>
    pluginsFor(command, list).map(({ type }) => type)
  t.same(types('ADD'), ['bridge', 'portmap'])
  t.same(types('CHECK'), ['bridge', 'portmap'])
  t.same(types('DEL'), ['portmap', 'bridge'])
  const old = { ...attachment, list: { ...list, cniVersion: '0.3.1' } }
  const config = (given: Attachment) =>
    pluginCall('DEL', given, bridge, { ...about, prevResult }).config
  t.same(JSON.parse(config(attachment)).prevResult, prevResult)
  t.notOk('prevResult' in JSON.parse(config(old)), 'before 0.4.0')
})

t.test('addresses: IPv4 first', async t => {
  const ips = [{ address: 'fd00::2/64' }, { address: '10.0.0.9/24' }]
  t.same(addressesOf({ ips }), ['10.0.0.9', 'fd00::2'])
  t.same(addressesOf({}), [])
})

t.test('a configuration', async t => {
  t.match(
    parseNetworkList(
      '{"cniVersion": "0.4.0", "name": "one", "type": "ptp"}',
      '1.conf',
    ),
    { name: 'one', plugins: [{ type: 'ptp' }] },
    'of one plugin',
  )
  for (const [text, message] of [
    ['{', /^f: /],
    ['[]', /name/],
    ['{"name": "n", "cniVersion": "0.2.0", "type": "x"}', /older than 0\.3\.0/],
    ['{"name": "n", "cniVersion": "1.0.0", "plugins": []}', /plugins/],
    [
      '{"name": "n", "cniVersion": "1.0.0", "plugins": [{"type": "../x"}]}',
      /plugins\[0\]\.type/,
    ],
  ] as const)
    t.throws(() => parseNetworkList(text, 'f'), { message }, text)
  t.same(
    ownNetworkList({
      subnet: '10.1.0.0/16',
      dataDir: '/d',
      hasFirewall: true,
    }).plugins.map(({ type }) => type),
    ['bridge', 'firewall', 'portmap'],
  )
})
