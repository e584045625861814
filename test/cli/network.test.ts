/*
 * Pods with networks of their own, by real CNI plugins, in a network namespace that stands for the
 * machine's.
 */
import { readlinkSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import {
  container,
  list,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { lacksNetworks, networkWorld } from '../helpers/network-world.ts'
import {
  eventually,
  podfs,
  startPodfs,
  type RunningPodfs,
} from '../helpers/podfs.ts'

import { commandOf, descendants } from '../helpers/processes.ts'

t.setTimeout(200_000)
const skip = lacksNetworks()

const waits = `trap 'exit 0' TERM; while :; do sleep 0.1; done`

/** Says its name at port 8080. */
const server = (name: string, more: Json = {}, address = ''): Json =>
  container(
    'server',
    `mkdir -p /var/www-${name}; echo ${name} > /var/www-${name}/index.html
    echo at $POD_IP; grep -c "^$POD_IP" /etc/hosts
    exec httpd -f -p ${address}8080 -h /var/www-${name}`,
    {
      env: [
        {
          name: 'POD_IP',
          valueFrom: { fieldRef: { fieldPath: 'status.podIP' } },
        },
      ],
      ports: [{ name: 'http', containerPort: 8080 }],
      ...more,
    },
  )

/** Asks until it is answered. */
const asks = (url: string): string =>
  `until wget -q -O - http://${url}/ | sed 's/^/${url} says /' | grep says; do sleep 0.1; done`

function saysIn(run: RunningPodfs) {
  return async (who: string, what: string): Promise<string> => {
    const line = new RegExp(`^${who} +\\| ${what}$`, 'm')
    const [, said = ''] = await run.saw(line)
    return said
  }
}

t.test('Pods in networks of their own', { skip }, async t => {
  const machine = await networkWorld(t)
  const dir = t.testdir()
  const web = object.pod(
    { name: 'web' },
    {
      terminationGracePeriodSeconds: 0,
      containers: [
        server('web', {
          ports: [{ name: 'http', containerPort: 8080, hostPort: 18_080 }],
          readinessProbe: { httpGet: { port: 'http' }, periodSeconds: 1 },
          lifecycle: {
            postStart: {
              exec: {
                command: ['sh', '-c', 'readlink /proc/self/ns/net > /hook/net'],
              },
            },
          },
          volumeMounts: [{ name: 'hook', mountPath: '/hook' }],
        }),
        container(
          'beside',
          `${asks('127.0.0.1:8080')}; ${asks(machine.outside)}
          echo hook $(cat /hook/net) $(readlink /proc/self/ns/net)
          echo devices $(ls /sys/class/net); ${waits}`,
          { volumeMounts: [{ name: 'hook', mountPath: '/hook' }] },
        ),
      ],
      volumes: [{ name: 'hook', emptyDir: {} }],
    },
  )
  const local = object.pod(
    { name: 'local' },
    {
      terminationGracePeriodSeconds: 0,
      containers: [server('local', {}, '127.0.0.1:')],
    },
  )
  const machines = object.pod(
    { name: 'machines' },
    {
      hostNetwork: true,
      containers: [
        container('c', `echo in $(readlink /proc/self/ns/net); ${waits}`),
      ],
    },
  )
  await writer(dir)('pods.json', list([web, local, machines]))
  const options = { wrapper: machine.wrapper }
  const run = startPodfs(
    t,
    [
      ['run', '-f', path.join(dir, 'pods.json'), '--all'],
      ['--network', 'pod', '--publish', 'web:127.0.0.1:18081:8080'],
    ].flat(),
    options,
  )
  const says = saysIn(run)
  const ip = await says('web/server', 'at (10\\..*)')
  const fetch = (...urls: readonly string[]) =>
    machine.run('busybox', 'wget', '-q', '-O', '-', ...urls)

  await t.test('containers reach one another, and the world', async t => {
    await says('web/beside', '127.0.0.1:8080 says (web)')
    await says('web/beside', `${machine.outside} says (outside)`)
    const [hook, own] = (await says('web/beside', 'hook (.*)')).split(' ')
    t.equal(hook, own, 'and hooks are in there')
    t.equal(await says('web/beside', 'devices (.*)'), 'eth0 lo')
    await says('web/server', '(1)')
  })
  await t.test(
    'the machine reaches each, at one and the same port',
    async t => {
      const other = await says('local/server', 'at (10\\..*)')
      t.not(ip, other)
      t.equal(await fetch(`http://${ip}:8080/`), 'web\n')
      t.equal(
        await fetch(`http://${other}:8080/`),
        undefined,
        'not its localhost',
      )
    },
  )
  await t.test('so do other Pods', async t => {
    const asking = object.pod(
      { name: 'asking' },
      { containers: [container('c', asks(`${ip}:8080`))] },
    )
    const { code, stdout } = await podfs(
      t,
      ['run', '-f', '-', '--network=pod'],
      { ...options, input: JSON.stringify(asking) },
    )
    t.equal(code, 0)
    t.match(stdout, `${ip}:8080 says web`)
  })
  await t.test('hostPort and --publish', async t => {
    for (const place of [
      '127.0.0.1:18080',
      '127.0.0.1:18081',
      '198.51.100.1:18080',
    ])
      t.equal(await fetch(`http://${place}/`), 'web\n', place)
    t.equal(await fetch(`http://198.51.100.1:18081/`), undefined)
    await run.saw(
      new RegExp(
        `^podfs: Pod default/web: port 8080 \\(http\\) is at ${ip}:8080 and localhost:18080 and 127.0.0.1:18081$`,
        'm',
      ),
      'stderr',
    )
  })
  await t.test('C342: hostNetwork is the machine’s', async t => {
    const link = await machine.run('readlink', '/proc/self/ns/net')
    t.equal(`${await says('machines/c', 'in (.*)')}\n`, link)
    t.not(link?.trim(), readlinkSync('/proc/self/ns/net'))
  })
  await t.test('status and probes', async t => {
    const get = async (...args: readonly string[]): Promise<string> =>
      (
        await podfs(
          t,
          ['get', 'pod', 'web', '--session', String(run.pid), ...args],
          options,
        )
      ).stdout
    t.equal(
      await get('-o', 'jsonpath={.status.podIP} {.status.podIPs[*].ip}'),
      `${ip} ${ip}`,
    )
    await eventually(async () => (await get()).includes('2/2'))
  })
  await t.test('a port that is taken', async t => {
    const other = object.pod(
      { name: 'other' },
      {
        containers: [
          server('other', { ports: [{ containerPort: 1, hostPort: 18_080 }] }),
        ],
      },
    )
    const second = startPodfs(
      t,
      ['run', '-f', '-', '--network=pod', '--log-level=info'],
      { ...options, input: JSON.stringify(other) },
    )
    await second.saw(
      /FailedCreatePodSandBox.*port 18080\/TCP of this machine is that of Pod default\/web/,
      'stderr',
    )
    second.child.kill('SIGTERM')
    await second.ended
  })
  await t.test('nothing is left', async t => {
    run.child.kill('SIGTERM')
    await run.ended
    t.same(await machine.left(), [])
  })
})

const simple = (name: string): Json =>
  object.pod(
    { name },
    {
      terminationGracePeriodSeconds: 0,
      restartPolicy: 'Always',
      containers: [
        server(name, { ports: [{ containerPort: 8080, hostPort: 18_090 }] }),
      ],
    },
  )

t.test('killed', { skip }, async t => {
  const machine = await networkWorld(t)
  const options = {
    wrapper: machine.wrapper,
    input: JSON.stringify(simple('web')),
  }
  const begin = () =>
    startPodfs(
      t,
      ['run', '-f', '-', '--network=pod', '--log-level=info'],
      options,
    )
  const addresses = new Set<string>()
  await t.test('pause: another sandbox with the same address', async t => {
    const run = begin()
    const [, ip = ''] = await run.saw(/at (10\..*)/)
    addresses.add(ip)
    const pause = descendants(run.pid).find(
      pid => commandOf(pid).at(-1) === 'podfs-pause',
    )
    process.kill(pause as number, 'SIGKILL')
    await run.saw(/SandboxChanged/, 'stderr')
    await eventually(() => run.stdout().match(/at 10\./g)?.length === 2)
    t.equal(run.stdout().match(new RegExp(`at ${ip}$`, 'gm'))?.length, 2)
    const port = 'http://127.0.0.1:18090/'
    // And its ports lead there.
    await eventually(() => machine.run('busybox', 'wget', '-qO-', port))
    run.child.kill('SIGKILL')
    await run.ended
  })
  await t.test('podfs, at whatever moment: the next one frees all', async t => {
    for (const wait of [150, 250, 300, 350, 400, 450, 500, 600]) {
      const run = begin()
      await new Promise(resolve => setTimeout(resolve, wait))
      run.child.kill('SIGKILL')
      await run.ended
    }
    const run = begin()
    const [, ip = ''] = await run.saw(/at (10\..*)/)
    addresses.add(ip)
    t.equal(addresses.size, 1, 'it has the same address again')
    run.child.kill('SIGTERM')
    await run.ended
    t.same(await machine.left(), [])
  })
})
