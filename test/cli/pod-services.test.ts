/*
 * Services of Pods with networks of their own, in a network namespace that stands for the machine's;
 * and their names where nobody can listen for questions.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import t, { type Test } from 'tap'
import { capability } from '../helpers/capability.ts'
import {
  container,
  list,
  object,
  type Json,
} from '../helpers/conformance-pod.ts'
import {
  lacksNetworks,
  networkWorld,
  type NetworkWorld,
} from '../helpers/network-world.ts'
import { eventually, startPodfs, type RunningPodfs } from '../helpers/podfs.ts'

t.setTimeout(100_000)
const skip = lacksNetworks()

const waits = `trap 'exit 0' TERM; sleep 1000 & wait`

/** Says its name by HTTP at its own address. */
const server = (name: string, port: number, spec: Json = {}): Json =>
  object.pod(
    { name, labels: { app: name } },
    {
      terminationGracePeriodSeconds: 0,
      ...spec,
      containers: [
        container(
          'c',
          `mkdir /tmp/www; echo ${name} > /tmp/www/index.html
          echo at $POD_IP; exec httpd -f -p $POD_IP:${port} -h /tmp/www`,
          {
            env: [
              {
                name: 'POD_IP',
                valueFrom: { fieldRef: { fieldPath: 'status.podIP' } },
              },
            ],
            ports: [{ name: 'http', containerPort: port }],
          },
        ),
      ],
    },
  )

const service = (name: string, port: number, spec: Json = {}): Json => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: {
    selector: { app: name },
    ports: [{ port, targetPort: 'http' }],
    ...spec,
  },
})

/** It asks until it is answered. */
const client = object.pod(
  { name: 'client' },
  {
    terminationGracePeriodSeconds: 0,
    containers: [
      container(
        'c',
        `env | sort | grep ^WEB_SERVICE
        for url in web web.default.svc.cluster.local $WEB_SERVICE_HOST machines:8082; do
          until said=$(wget -q -O - http://$url/); do sleep 0.1; done; echo "$url says $said"
        done
        getent ahostsv4 none.default.svc.cluster.local || echo no such name
        echo direct $(getent ahostsv4 direct.default | head -n 1)
        grep -c WEB /etc/hosts; echo end; ${waits}`,
      ),
    ],
  },
)

const objects = [
  server('web', 80),
  // With the machine's network, beside those that have their own.
  server('machines', 8081, { hostNetwork: true }),
  service('web', 80),
  service('machines', 8082),
  service('direct', 80, { clusterIP: 'None', selector: { app: 'web' } }),
  client,
]

const begin = (
  t: Test,
  machine: NetworkWorld,
  config: readonly string[],
  given: readonly Json[] = objects,
): RunningPodfs =>
  startPodfs(t, ['run', '-f', '-', '--all', ...config], {
    wrapper: machine.wrapper,
    input: JSON.stringify(list(given)),
  })

/** What the client has found, and the address of `web`. */
async function found(run: RunningPodfs): Promise<string> {
  await run.saw(/^client\/c +\| end$/m)
  return run
    .stdout()
    .split('\n')
    .flatMap(line => /^client\/c +\| (.*)$/.exec(line)?.[1] ?? [])
    .join('\n')
}

for (const by of ['CNI', 'pasta'])
  t.test(
    `C127: Services of Pods with networks of their own, by ${by}`,
    { skip: skip || (by === 'pasta' && capability('pasta')) },
    async t => {
      const machine = await networkWorld(t)
      const dir = t.testdir({
        bin: {},
        'podfs.yaml': `network: pod${by === 'pasta' ? '\ncni: {binDirs: [bin]}' : ''}`,
      })
      const config = ['--config', path.join(dir, 'podfs.yaml')]
      const run = begin(t, machine, config)
      const said = await found(run)
      const ip = /WEB_SERVICE_HOST=(10\.241\.[\d.]+)/.exec(said)?.[1] ?? ''
      const [, podIP = ''] = await run.saw(/^web\/c +\| at (10\..*)$/m)
      t.match(
        said.replaceAll(/ +STREAM.*/g, ''),
        `WEB_SERVICE_HOST=${ip}
WEB_SERVICE_PORT=80
web says web
web.default.svc.cluster.local says web
${ip} says web
machines:8082 says machines
no such name
direct ${podIP}
0
end`,
      )
      t.equal(
        await machine.run('busybox', 'wget', '-qO-', `http://${ip}/`),
        'web\n',
        'the machine reaches it, too',
      )
      t.equal(run.stderr().includes('Service'), false, 'nothing to tell')

      run.child.kill('SIGKILL')
      await run.ended
      t.match((await machine.left()).join('\n'), ip)
      const next = begin(t, machine, config)
      t.match(await found(next), `WEB_SERVICE_HOST=${ip}`, 'the same again')
      next.child.kill('SIGTERM')
      await next.ended
      t.strictSame(await machine.left(), [])
    },
  )

t.test('serviceSubnet', { skip }, async t => {
  const machine = await networkWorld(t)
  const dir = t.testdir({
    'podfs.yaml': 'network: pod\nserviceSubnet: 10.77.1.0/24',
  })
  const config = ['--config', path.join(dir, 'podfs.yaml')]
  const run = begin(t, machine, config)
  t.match(await found(run), /WEB_SERVICE_HOST=10\.77\.1\.\d+\n/)
  run.child.kill('SIGTERM')
  await run.ended
  t.strictSame(await machine.left(), [])
})

t.test('names in the hosts file', { skip }, async t => {
  const machine = await networkWorld(t)
  // As a resolver that has it on all addresses.
  const [nsenter = '', ...args] = machine.wrapper
  const resolver = spawn(nsenter, [
    ...args,
    process.execPath,
    '-e',
    `require('node:dgram').createSocket('udp4').bind(53, () => console.log('there'))`,
  ])
  t.teardown(() => resolver.kill('SIGKILL'))
  await once(resolver.stdout, 'data')
  const asking = object.pod(
    { name: 'client' },
    {
      terminationGracePeriodSeconds: 0,
      containers: [
        container(
          'c',
          `cmp /etc/resolv.conf /etc/resolv.conf && sed -n '/Services/,$p' /etc/hosts
          for name in web web.default web.default.svc.cluster.local; do
            until wget -q -O - http://$name/; do sleep 0.1; done
          done
          echo end; ${waits}`,
        ),
      ],
    },
  )
  const run = begin(
    t,
    machine,
    [],
    [server('web', 8080), service('web', 80), asking],
  )
  const said = await found(run)
  const ip = /^(127[\d.]+)\t/m.exec(said)?.[1] ?? ''
  t.equal(
    said,
    `# Entries added by podfs for Services.
${ip}\tweb.default.svc.cluster.local\tweb.default.svc\tweb.default\tweb
web
web
web
end`,
  )
  t.match(
    run.stderr(),
    /podfs cannot listen at port 53: the names of Services stand in the hosts files of containers instead/,
  )
  run.child.kill('SIGTERM')
  await run.ended
  await eventually(async () => (await machine.left()).length === 0)
})
