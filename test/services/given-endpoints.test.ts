import t from 'tap'
import type { ShownObject } from '../../src/api/types.ts'
import { givenEndpoints } from '../../src/services/given-endpoints.ts'
import { serviceOf } from '../../src/services/service.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

/*
 * Where EndpointSlices and Endpoints of the input lead a Service.
 */

function read(kind: string, name: string, rest: object, labels = {}) {
  const isSlice = kind === 'EndpointSlice'
  const apiVersion = isSlice ? 'discovery.k8s.io/v1' : 'v1'
  const { objects } = readManifest(
    JSON.stringify({ apiVersion, kind, metadata: { name, labels }, ...rest }),
    'f.yaml',
    { namespace: 'default' },
  )
  return objects[0] as ShownObject
}

const service = (spec: object) =>
  serviceOf(
    read('Service', 'db', {
      spec: {
        ports: [
          { name: 'a', port: 1 },
          { name: 'b', port: 2 },
        ],
        ...spec,
      },
    }),
  )

const slice = (rest: object, labels: object = {}) =>
  read(
    'EndpointSlice',
    'db-1',
    {
      addressType: 'IPv4',
      ports: [{ name: 'b', port: 20 }],
      endpoints: [
        { addresses: ['10.0.0.1', '10.0.0.9'], hostname: 'one' },
        { addresses: ['10.0.0.2'], conditions: { ready: false } },
      ],
      ...rest,
    },
    { 'kubernetes.io/service-name': 'db', ...labels },
  )

const endpoints = (labels = {}) =>
  read(
    'Endpoints',
    'db',
    {
      subsets: [
        {
          addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.3' }],
          notReadyAddresses: [{ ip: '10.0.0.4' }],
          ports: [{ name: 'a', port: 10 }],
        },
      ],
    },
    labels,
  )

const of = (given: object, ...objects: readonly ShownObject[]) =>
  givenEndpoints(service(given), objects).map(({ ip, hostname, targets }) => [
    ip,
    hostname,
    ...targets,
  ])

t.test('slices and Endpoints, by the names of ports', async t => {
  t.strictSame(of({}, slice({})), [['10.0.0.1', 'one', undefined, 20]])
  t.strictSame(of({}, endpoints()), [
    ['10.0.0.1', undefined, 10, undefined],
    ['10.0.0.3', undefined, 10, undefined],
  ])
  t.strictSame(
    of({}, slice({}), endpoints()).map(([ip, , ...ports]) => [ip, ...ports]),
    [
      ['10.0.0.1', 10, 20],
      ['10.0.0.3', 10, undefined],
    ],
    'one address is one place',
  )
})

t.test('those that do not count', async t => {
  const selector = { app: 'db' }
  const controller = {
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  }
  t.strictSame(of({ selector }, endpoints()), [], 'its controller writes them')
  t.equal(of({ selector }, slice({})).length, 1)
  t.strictSame(of({ selector }, slice({}, controller)), [])
  t.equal(of({}, slice({}, controller)).length, 1)
  t.strictSame(of({}, slice({}, { 'kubernetes.io/service-name': 'x' })), [])
  t.strictSame(
    of({}, endpoints({ 'endpointslice.kubernetes.io/skip-mirror': 'true' })),
    [],
  )
  const ipv6 = { addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }] }
  t.strictSame(of({}, slice(ipv6)), [])
  t.strictSame(
    of({ type: 'ExternalName', externalName: 'a.b' }, slice({}), endpoints()),
    [],
  )
})
