import t from 'tap'
import type { Pod } from '../../src/api/types.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import {
  serviceEntry,
  serviceMembers,
  type CandidatePod,
} from '../../src/services/service-entry.ts'
import type { Service } from '../../src/services/service.ts'
import { serviceHosts } from '../../src/services/service-hosts.ts'
import { serviceVariables } from '../../src/services/service-variables.ts'
import { serviceOf } from '../../src/services/service.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import { makePod } from '../helpers/make-objects.ts'

/*
 * Which Pods a Service has, and what it gives to others.
 */

function service(spec: string, name = 'web') {
  const { objects } = readManifest(
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {${spec}}\n`,
    'f.yaml',
    { namespace: 'default' },
  )
  const [object] = objects
  if (object?.kind !== 'Service') throw new Error('no Service')
  return serviceOf(object)
}

const candidate = (
  ip: string | undefined,
  more: {
    pod?: Pod
    isReady?: boolean
    phase?: string
    isTerminating?: boolean
  } = {},
) => ({
  pod: more.pod ?? makePod({ labels: { app: 'web' } }),
  status: {
    phase: more.phase ?? 'Running',
    podIP: ip,
    conditions: [
      { type: 'Ready', status: more.isReady === false ? 'False' : 'True' },
    ],
  } as unknown as PodStatus,
  isTerminating: more.isTerminating ?? false,
})

const entryOf = (
  service: Service,
  ip: string | undefined,
  pods: readonly CandidatePod[],
) => serviceEntry(service, ip, serviceMembers(service, pods))

const ips = (spec: string, pods: readonly ReturnType<typeof candidate>[]) =>
  entryOf(service(spec), '127.0.1.9', pods).endpoints.map(({ ip }) => ip)

t.test('ready Pods that it selects', async t => {
  const pods = [
    candidate('1'),
    candidate('2', { isReady: false }),
    candidate('3', { isTerminating: true }),
    candidate('4', { phase: 'Failed' }),
    candidate(undefined),
    candidate('5', { pod: makePod({ labels: { app: 'other' } }) }),
    candidate('6', {
      pod: makePod({ labels: { app: 'web' }, namespace: 'other' }),
    }),
  ]
  const ports = 'ports: [{port: 80}]'
  t.strictSame(ips(`selector: {app: web}, ${ports}`, pods), ['1'])
  t.strictSame(
    ips(`selector: {app: web}, publishNotReadyAddresses: true, ${ports}`, pods),
    ['1', '2', '3'],
  )
  t.strictSame(ips(ports, pods), [], 'without a selector')
  t.strictSame(
    ips('type: ExternalName, externalName: a.b, selector: {app: web}', pods),
    [],
  )
})

t.test('targetPort by number and by name', async t => {
  const pod = makePod({
    labels: { app: 'web' },
    spec: {
      containers: [
        {
          ...makePod().spec.containers[0]!,
          ports: [
            { name: 'http', containerPort: 8080, protocol: 'TCP' },
            { name: 'dns', containerPort: 5353, protocol: 'UDP' },
          ],
        },
      ],
    },
  })
  const { endpoints, affinitySeconds } = entryOf(
    service(
      'selector: {app: web}, sessionAffinity: ClientIP, ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 81, targetPort: 9}, {name: c, port: 82}, {name: d, port: 83, targetPort: dns}]',
    ),
    '127.0.1.9',
    [candidate('1', { pod })],
  )
  t.strictSame(endpoints[0]?.targets, [8080, 9, 82, undefined])
  t.equal(affinitySeconds, 10_800)
})

t.test('what is told of a Service', async t => {
  const of = (spec: string, ip?: string) => serviceEntry(service(spec), ip, [])
  const web = {
    namespace: 'default',
    name: 'web',
    ports: [{ protocol: 'TCP', port: 80 }],
    endpoints: [],
  }
  t.strictSame(of('ports: [{port: 80}]', '127.0.1.9'), {
    ...web,
    ip: '127.0.1.9',
  })
  t.strictSame(of('ports: [{port: 80}]'), web, 'it has no address yet')
  t.strictSame(
    of('clusterIP: None, ports: [{port: 80}]', '127.0.1.9'),
    web,
    'headless',
  )
  t.strictSame(of('type: ExternalName, externalName: a.b', '127.0.1.9'), {
    ...web,
    externalName: 'a.b',
    ports: [],
  })
  t.strictSame(
    of('externalName: a.b, ports: [{port: 80}]'),
    web,
    'of another type it means nothing',
  )
  const affinity = (more: string) =>
    of(`sessionAffinity: ClientIP, ports: [{port: 80}]${more}`).affinitySeconds
  t.equal(
    affinity(', sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}'),
    60,
  )
  t.equal(affinity(', sessionAffinityConfig: {}'), 10_800)
})

t.test('which Pods are none of it', async t => {
  const pod = makePod({ labels: { app: 'web' } })
  const ports = 'ports: [{port: 80}]'
  t.strictSame(
    entryOf(service(`selector: {app: web}, ${ports}`), undefined, [
      { pod, isTerminating: false },
    ]).endpoints,
    [],
    'one of which nothing is known',
  )
  const ready = candidate('1')
  t.strictSame(ips(`selector: {}, ${ports}`, [ready]), [])
  t.strictSame(ips(`selector: {app: web, tier: a}, ${ports}`, [ready]), [])
  t.strictSame(
    ips(`selector: {app: web}, publishNotReadyAddresses: true, ${ports}`, [
      candidate('1', { phase: 'Succeeded' }),
    ]),
    [],
  )
  const withConditions = (...conditions: readonly string[]) => ({
    ...ready,
    status: {
      ...ready.status,
      conditions: conditions.map(text => {
        const [type, status] = text.split(' ')
        return { type, status }
      }),
    } as unknown as PodStatus,
  })
  const seen = (...conditions: readonly string[]) =>
    ips(`selector: {app: web}, ${ports}`, [withConditions(...conditions)])
  t.strictSame(seen('PodScheduled True', 'Ready False'), [])
  t.strictSame(seen('ContainersReady False', 'Ready True'), ['1'])
})

t.test('a Pod with a name of its own', async t => {
  const named = (spec: Partial<Pod['spec']>) =>
    entryOf(service('selector: {app: web}, ports: [{port: 80}]'), '', [
      candidate('1', { pod: makePod({ labels: { app: 'web' }, spec }) }),
    ]).endpoints
  const endpoint = { ip: '1', targets: [80] }
  t.strictSame(named({ hostname: 'a', subdomain: 'web' }), [
    { ...endpoint, hostname: 'a' },
  ])
  t.strictSame(named({ hostname: 'a', subdomain: 'other' }), [endpoint])
  t.strictSame(named({ subdomain: 'web' }), [endpoint])
})

t.test(
  'targetPort: a name of a sidecar, of no other init container',
  async t => {
    const base = makePod().spec.containers[0]!
    const init = (name: string, more: object) => ({
      ...base,
      name,
      ports: [{ name, containerPort: 9000, protocol: 'TCP' }],
      ...more,
    })
    const pod = makePod({
      labels: { app: 'web' },
      spec: {
        initContainers: [
          init('once', {}),
          init('side', { restartPolicy: 'Always' }),
        ],
      },
    })
    const { endpoints } = entryOf(
      service(
        'selector: {app: web}, ports: [{name: a, port: 80, targetPort: side}, {name: b, port: 81, targetPort: once}]',
      ),
      undefined,
      [candidate('1', { pod })],
    )
    t.strictSame(endpoints[0]?.targets, [9000, undefined])
  },
)

t.test('C127: variables of Services', async t => {
  const entry = entryOf(
    service(
      'ports: [{name: http, port: 80}, {name: dns-u, port: 53, protocol: UDP}]',
      'my-svc',
    ),
    '10.96.115.116',
    [],
  )
  // As recorded of a kubelet.
  const recorded = {
    MY_SVC_SERVICE_HOST: '10.96.115.116',
    MY_SVC_SERVICE_PORT: '80',
    MY_SVC_SERVICE_PORT_HTTP: '80',
    MY_SVC_SERVICE_PORT_DNS_U: '53',
    MY_SVC_PORT: 'tcp://10.96.115.116:80',
    MY_SVC_PORT_80_TCP: 'tcp://10.96.115.116:80',
    MY_SVC_PORT_80_TCP_PROTO: 'tcp',
    MY_SVC_PORT_80_TCP_PORT: '80',
    MY_SVC_PORT_80_TCP_ADDR: '10.96.115.116',
    MY_SVC_PORT_53_UDP: 'udp://10.96.115.116:53',
    MY_SVC_PORT_53_UDP_PROTO: 'udp',
    MY_SVC_PORT_53_UDP_PORT: '53',
    MY_SVC_PORT_53_UDP_ADDR: '10.96.115.116',
  }
  const namesIn = (pod: Pod, services = [entry]) =>
    Object.fromEntries(serviceVariables(pod, services))
  t.strictSame(namesIn(makePod()), recorded)
  t.strictSame(namesIn(makePod({ namespace: 'other' })), {})
  const linkless = makePod({ spec: { enableServiceLinks: false } })
  t.strictSame(namesIn(linkless), {})
  const api = { ...entry, name: 'kubernetes', ip: '127.0.0.9' }
  t.match(namesIn(makePod({ namespace: 'other' }), [entry, api]), {
    KUBERNETES_SERVICE_HOST: '127.0.0.9',
  })
  t.match(namesIn(linkless, [entry, api]), { KUBERNETES_SERVICE_PORT: '80' })
  const { ip: _, ...headless } = entry
  t.strictSame(namesIn(makePod(), [headless]), {})
  t.strictSame(
    namesIn(makePod(), [{ ...api, namespace: 'other' }]),
    {},
    'of another namespace',
  )
  t.strictSame(namesIn(makePod(), [{ ...entry, ports: [] }]), {})
  t.strictSame(
    Object.keys(
      namesIn(makePod(), [
        { ...entry, ports: [{ protocol: 'TCP', port: 80 }] },
      ]),
    ).filter(name => name.startsWith('MY_SVC_SERVICE')),
    ['MY_SVC_SERVICE_HOST', 'MY_SVC_SERVICE_PORT'],
    'a port without a name',
  )
})

t.test('names for a hosts file', async t => {
  const entry = (spec: string, ip?: string, name = 'web') =>
    serviceEntry(service(spec, name), ip, [])
  const table = {
    clusterDomain: 'cluster.local',
    nameserver: '127.0.1.53',
    services: [
      entry('ports: [{port: 80}]', '127.0.1.9'),
      entry('clusterIP: None, ports: [{port: 80}]', undefined, 'db'),
      entry('type: ExternalName, externalName: a.b', undefined, 'ext'),
    ],
  }
  const header = '\n# Entries added by podfs for Services.\n127.0.1.9\t'
  const all = 'web.default.svc.cluster.local\tweb.default.svc\tweb.default'
  t.equal(serviceHosts(makePod(), table), `${header}${all}\tweb\n`)
  t.equal(
    serviceHosts(makePod({ namespace: 'other' }), table),
    `${header}${all}\n`,
  )
  t.equal(serviceHosts(makePod(), { ...table, services: [] }), '')
})
