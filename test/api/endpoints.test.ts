import t from 'tap'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

function refused(object: object): readonly string[] {
  const { findings } = readManifest(JSON.stringify(object), 'f.json', {
    namespace: 'default',
  })
  return findings
    .filter(({ treatment }) => treatment === 'rejected')
    .map(({ fieldPath, message }) => `${fieldPath}: ${message}`)
}

const slice = (more: object) =>
  refused({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1' },
    addressType: 'IPv4',
    ...more,
  })

const endpoints = (subset: object) =>
  refused({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'web' },
    subsets: [subset],
  })

t.test('what an API server refuses of an EndpointSlice', async t => {
  t.strictSame(slice({ endpoints: [{ addresses: ['10.1.2.3'] }] }), [])
  t.match(slice({ addressType: 'IPX' })[0], /^addressType: Unsupported value/)
  t.strictSame(
    slice({
      endpoints: [
        {},
        { addresses: ['127.0.0.1'] },
        { addresses: ['::1'], hostname: 'A' },
      ],
      ports: [
        { port: 80 },
        { port: 70_000, name: 'b' },
        { port: 1, name: 'b', protocol: 'X' },
      ],
    }).map(message => message.replace(/a lowercase RFC.*/, '...')),
    [
      'endpoints[0].addresses: Required value: must contain at least 1 address',
      'endpoints[1].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'endpoints[2].addresses[0]: Invalid value: "::1": must be a valid IPv4 address',
      'endpoints[2].hostname: Invalid value: "A": ...',
      'ports[1].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
      'ports[2].name: Duplicate value: "b"',
      'ports[2].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ],
  )
})

t.test('and of Endpoints', async t => {
  const addresses = [{ ip: '10.1.2.3' }]
  t.strictSame(endpoints({ addresses, ports: [{ port: 80 }] }), [])
  t.strictSame(endpoints({}), [
    'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
  ])
  t.strictSame(
    endpoints({
      addresses: [{ ip: 'x' }, { ip: '169.254.1.1' }],
      ports: [{ port: 80 }, { port: 81, name: 'b' }],
    }),
    [
      'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[0].addresses[1].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'subsets[0].ports[0].name: Required value',
    ],
  )
})
