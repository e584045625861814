/*
 * EndpointSlices and Endpoints: those that the Pods of Services make, and those of the input, to which
 * Services without a selector lead. All that podfs says of them is what kubectl says.
 */
import t from 'tap'
import { capability } from '../helpers/capability.ts'
import {
  container,
  list,
  object,
  type Json,
} from '../helpers/conformance-pod.ts'
import { kubectl, tcpTo, withoutAges } from '../helpers/kubectl.ts'
import { lacksNetworks, networkWorld } from '../helpers/network-world.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'

t.setTimeout(60_000)
const skip = lacksNetworks() || capability('kubectl')

const service = (name: string, spec: Json): Json => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, labels: { of: name } },
  spec,
})

t.test('EndpointSlices and Endpoints', { skip }, async t => {
  const machine = await networkWorld(t)
  const pod = object.pod(
    { name: 'web', labels: { app: 'web' } },
    {
      terminationGracePeriodSeconds: 0,
      containers: [
        container('c', 'sleep 1000', {
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: {
            exec: { command: ['test', '-e', '/tmp/ready'] },
            periodSeconds: 1,
          },
        }),
      ],
    },
  )
  const ports = [
    { name: 'http', port: 80, targetPort: 'http' },
    { name: 'udp', port: 53, protocol: 'UDP' },
  ]
  const outside = [
    { addresses: [{ ip: machine.outside }], ports: [{ port: 80 }] },
  ]
  const objects = [
    pod,
    service('web', { selector: { app: 'web' }, ports }),
    service('nobody', {
      clusterIP: 'None',
      selector: { app: 'nobody' },
      ports: [{ port: 80 }],
    }),
    service('outside', { ports: [{ port: 81 }] }),
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'outside' },
      subsets: outside,
    },
    service('sliced', { ports: [{ port: 82 }] }),
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: 'sliced-1',
        labels: { 'kubernetes.io/service-name': 'sliced' },
      },
      addressType: 'IPv4',
      ports: [{ port: 80 }],
      endpoints: [
        { addresses: [machine.outside] },
        { addresses: ['198.51.100.77'], conditions: { ready: false } },
      ],
    },
  ]
  const options = { wrapper: machine.wrapper }
  const run = startPodfs(t, ['run', '-f', '-', '--all'], {
    ...options,
    input: JSON.stringify(list(objects)),
  })
  const session = `run-${run.pid}`
  const say = async (
    command: string,
    ...args: readonly string[]
  ): Promise<string> =>
    (await podfs(t, [command, '--session', session, ...args], options)).stdout
  const slices = (path: string): Promise<string> =>
    say(
      'get',
      'endpointslices',
      '-l',
      'kubernetes.io/service-name=web',
      '-o',
      `jsonpath=${path}`,
    )
  const conditions = '{.items[0].endpoints[*].conditions}'
  await eventually(
    async () =>
      (await slices(conditions)) ===
      '{"ready":false,"serving":false,"terminating":false}',
  )
  t.match(await say('get', 'ep', 'web', '-o', 'json'), /"notReadyAddresses"/)
  await say('exec', 'web', '--', 'touch', '/tmp/ready')
  await eventually(
    async () =>
      (await slices(conditions)) ===
      '{"ready":true,"serving":true,"terminating":false}',
  )
  t.equal(
    await slices(
      '{.items[0].ports[*].port} {.items[0].endpoints[0].targetRef.name}',
    ),
    '8080 53 web',
  )
  await t.test('as kubectl says it', async t => {
    const socket = `/proc/${run.pid}/root/run/podfs/${session}/api.sock`
    const server = await tcpTo(t, socket)
    for (const [command, ...args] of [
      ['get', 'endpoints,endpointslices'],
      ['get', 'endpointslices', '-o', 'name'],
      ['get', 'endpointslices', '-o', 'yaml'],
      ['get', 'ep', '-o', 'yaml'],
      ['describe', 'endpointslices'],
      ['describe', 'endpoints'],
    ] as const) {
      const { stdout } = await kubectl(server, [command, ...args])
      t.equal(
        withoutAges(await say(command, ...args)),
        withoutAges(stdout),
        `${command} ${args.join(' ')}`,
      )
    }
    const { stdout } = await kubectl(server, ['describe', 'service', 'outside'])
    t.match(stdout, `Endpoints:         ${machine.outside}:80`)
  })
  await t.test('Services lead to where those of the input say', async t => {
    for (const [name, port] of [
      ['outside', 81],
      ['sliced', 82],
    ] as const) {
      const ip = await say(
        'get',
        'svc',
        name,
        '-o',
        'jsonpath={.spec.clusterIP}',
      )
      const url = `http://${ip}:${port}/`
      t.equal(await machine.run('busybox', 'wget', '-qO-', url), 'outside\n')
    }
  })
  run.child.kill('SIGTERM')
  await run.ended
})
