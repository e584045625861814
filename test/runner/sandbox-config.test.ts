import t from 'tap'
import type { ContainerPort, PodSpec } from '../../src/api/types.ts'
import type { NetworkProvider } from '../../src/runner/sandbox/network/network-provider.ts'
import {
  namedPorts,
  sandboxConfig,
} from '../../src/runner/launch/sandbox-config.ts'
import { makeContainer, makePod, makeProbe } from '../helpers/make-objects.ts'

const names = { hostname: 'p', domain: '', kernelHostname: 'p' }
const ofPod = (spec: Partial<PodSpec>) =>
  sandboxConfig(makePod({ spec }), names)

t.test(
  'namespaces are the Pod’s or the machine’s, as its spec says',
  async t => {
    const usual = { hostname: 'p', ipc: 'pod', pid: 'container' }
    t.same(ofPod({}), usual)
    t.same(ofPod({ shareProcessNamespace: false, hostPID: false }), usual)
    t.same(ofPod({ shareProcessNamespace: true }), { ...usual, pid: 'pod' })
    t.same(ofPod({ hostPID: true }), { ...usual, pid: 'node' })
    t.same(ofPod({ hostIPC: true }), { ...usual, ipc: 'node' })
    const sysctls = [
      { name: 'kernel/shm_rmid_forced', value: '1' },
      { name: 'net.ipv4.tcp_syncookies', value: '0' },
    ]
    t.same(ofPod({ securityContext: { sysctls } }), {
      ...usual,
      sysctls: [{ name: 'kernel.shm_rmid_forced', value: '1' }],
    })
    const network = { provider: {} as NetworkProvider, publish: [] }
    t.same(
      sandboxConfig(
        makePod({ spec: { securityContext: { sysctls } } }),
        names,
        network,
      ).sysctls?.map(({ name }) => name),
      ['kernel.shm_rmid_forced', 'net.ipv4.tcp_syncookies'],
    )
  },
)

t.test('with hostNetwork the host name is the machine’s', async t => {
  t.same(sandboxConfig(makePod({}), { hostname: 'p', domain: '' }), {
    ipc: 'pod',
    pid: 'container',
  })
})

t.test('a network of its own is not for a Pod with hostNetwork', async t => {
  const provider = { kind: 'cni', binDirs: [], directory: '/n' } as const
  const published = { hostPort: 8080, containerPort: 80, protocol: 'TCP' }
  const plan = { provider, publish: [published] }
  const ofPod = (spec: Partial<PodSpec>) =>
    sandboxConfig(makePod({ name: 'web', spec }), names, plan)
  const tcp = { protocol: 'TCP' }
  const ports = (...ports: ContainerPort[]) => makeContainer({ ports })
  t.match(
    ofPod({
      initContainers: [
        ports({ ...tcp, hostPort: 1, containerPort: 1 }),
        {
          ...ports({ ...tcp, hostPort: 2, containerPort: 22 }),
          restartPolicy: 'Always',
        },
      ],
      containers: [
        ports(
          { ...tcp, containerPort: 3 },
          { protocol: 'UDP', hostPort: 4, containerPort: 44, hostIP: '::1' },
        ),
      ],
    }).network,
    {
      provider,
      namespace: 'default',
      name: 'web',
      portMappings: [
        { ...tcp, hostPort: 2, containerPort: 22 },
        { protocol: 'UDP', hostPort: 4, containerPort: 44, hostIP: '::1' },
        published,
      ],
    },
  )
  t.notOk('network' in ofPod({ hostNetwork: true }))
})

t.test('the ports that a manifest names', async t => {
  const pod = makePod({
    spec: {
      containers: [
        makeContainer({
          ports: [{ containerPort: 1, protocol: 'UDP' }],
          livenessProbe: makeProbe({ tcpSocket: { port: 2 } }),
          readinessProbe: makeProbe({ grpc: { port: 3 } }),
          startupProbe: makeProbe({ tcpSocket: { port: 'http' } }),
        }),
      ],
    },
  })
  const tcp = { protocol: 'TCP' }
  t.same(namedPorts(pod), [
    { containerPort: 1, protocol: 'UDP' },
    { containerPort: 2, ...tcp },
    { containerPort: 3, ...tcp },
  ])
})
