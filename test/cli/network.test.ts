/*
 * Pods with networks of their own, by real CNI plugins, in a network namespace that stands for the
 * machine's.
 */
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import t from 'tap'
import {
  container,
  list,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { capability } from '../helpers/capability.ts'
import { lacksNetworks, networkWorld } from '../helpers/network-world.ts'
import { commandOf, descendants, processes } from '../helpers/processes.ts'
import { pod, world } from '../helpers/served-world.ts'
import {
  eventually,
  isRunning,
  podfs,
  startPodfs,
  type RunningPodfs,
} from '../helpers/podfs.ts'

t.setTimeout(200_000)
const skip = lacksNetworks()

const waits = `trap 'exit 0' TERM; sleep 1000 & wait`

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

/**
 * A plugin that says in DIR/log what it was asked, hangs in an ADD once there is DIR/hang, and
 * refuses a CHECK once there is DIR/broken.
 */
const plugin = (dir: string): string => `#!${process.execPath}
import fs from 'node:fs'
const { prevResult } = JSON.parse(fs.readFileSync(0, 'utf8'))
const command = process.env.CNI_COMMAND
fs.appendFileSync('${dir}/log', command + ' ')
if (command === 'ADD' && fs.existsSync('${dir}/hang')) {
  fs.unlinkSync('${dir}/hang')
  fs.writeFileSync('${dir}/pid.new', String(process.pid))
  fs.renameSync('${dir}/pid.new', '${dir}/pid')
  setInterval(() => undefined, 1000)
} else if (command === 'CHECK' && fs.existsSync('${dir}/broken')) {
  console.log(JSON.stringify({ cniVersion: '1.0.0', code: 100, msg: 'somebody has been here' }))
  process.exitCode = 1
} else console.log(JSON.stringify(prevResult))
`

t.test('networks of the machine, and plugins that fail', { skip }, async t => {
  const machine = await networkWorld(t)
  const dir = t.testdir({ conf: {}, bin: {} })
  const at = (name: string): string => path.join(dir, name)
  for (const name of ['bridge', 'host-local', 'portmap', 'loopback'])
    symlinkSync(`/usr/lib/cni/${name}`, at(`bin/${name}`))
  writeFileSync(at('bin/probe'), plugin(dir), { mode: 0o755 })
  const ipam = {
    type: 'host-local',
    ranges: [[{ subnet: '10.99.7.0/29' }]],
    dataDir: at('addresses'),
  }
  const plugins = [
    { type: 'bridge', bridge: 'test0', isGateway: true, ipMasq: true, ipam },
    { type: 'probe' },
    { type: 'portmap', capabilities: { portMappings: true } },
  ]
  const network = { cniVersion: '1.0.0', name: 'test', plugins }
  writeFileSync(at('conf/1.conflist'), JSON.stringify(network))
  writeFileSync(at('conf/2.conflist'), 'not taken')
  writeFileSync(
    at('podfs.yaml'),
    `network: pod\ncni: {confDir: conf, binDirs: [bin]}`,
  )
  const begin = (name: string, script: string) =>
    startPodfs(
      t,
      ['run', '-f', '-', '--config', at('podfs.yaml'), '--log-level=info'],
      {
        wrapper: machine.wrapper,
        input: JSON.stringify(
          object.pod(
            { name },
            {
              terminationGracePeriodSeconds: 0,
              restartPolicy: 'OnFailure',
              containers: [
                container('c', script, {
                  ports: [{ containerPort: 1, hostPort: 18_070 }],
                }),
              ],
            },
          ),
        ),
      },
    )
  const asked = (): string => readFileSync(at('log'), 'utf8').trim()
  const hung = async (): Promise<number> => {
    await eventually(() => existsSync(at('pid')))
    const pid = Number(readFileSync(at('pid'), 'utf8'))
    rmSync(at('pid'))
    return pid
  }
  const left = async (): Promise<readonly string[]> => {
    const reservations = readdirSync(at('addresses/test'))
    return [
      // Nobody takes a bridge of the machine's away.
      ...(await machine.left()).filter(line => !/^\d+: test0:/.test(line)),
      ...reservations.filter(name => /^\d+\./.test(name)),
    ]
  }

  await t.test('ADD, CHECK, DEL', async t => {
    const tries = at('tried')
    const run = begin(
      'checked',
      `ip -4 address show dev eth0 | grep -o '10.99.7.[0-9]*/29'
      [ -e ${tries} ] || { touch ${tries} ${at('broken')}; exit 1; }; ${waits}`,
    )
    await run.saw(
      /NetworkNotReady.*network is not ready: plugin type=\\"probe\\" failed \(check\): somebody has been here/,
      'stderr',
    )
    await eventually(() => run.stdout().match(/10\.99\.7/g)?.length === 2)
    run.child.kill('SIGTERM')
    await run.ended
    t.equal(asked(), 'ADD CHECK DEL')
    t.same(await left(), [])
  })
  await t.test('a plugin that is killed', async t => {
    writeFileSync(at('log'), '')
    writeFileSync(at('hang'), '')
    const run = begin('killed', waits)
    process.kill(await hung(), 'SIGKILL')
    await run.saw(
      /FailedCreatePodSandBox.*Failed to create pod sandbox: failed to setup network for sandbox: plugin type=\\"probe\\" failed \(add\): killed by SIGKILL/,
      'stderr',
    )
    run.child.kill('SIGTERM')
    await run.ended
    t.equal(asked(), 'ADD DEL')
    t.same(await left(), [])
  })
  await t.test('podfs, while a plugin works', async t => {
    writeFileSync(at('hang'), '')
    const run = begin('killed', waits)
    const pid = await hung()
    run.child.kill('SIGKILL')
    await run.ended
    await eventually(() => !isRunning(pid))
    t.not((await left()).length, 0)
    const next = begin('next', 'echo up')
    t.equal((await next.ended).code, 0)
    t.same(await left(), [])
  })
  await t.test('what is wrong with it', async t => {
    writeFileSync(at('conf/1.conflist'), '{"name": "x", "type": "y"}')
    const { code, stderr } = await begin('never', '').ended
    t.equal(code, 2)
    t.match(
      stderr,
      /^error: cni\.confDir: .*1\.conflist: cniVersion: 0\.1\.0 is older than 0\.3\.0$/m,
    )
  })
  await t.test('a machine with nothing', async t => {
    writeFileSync(at('podfs.yaml'), 'cni: {binDirs: [conf]}')
    const args = ['run', '-f', '-', '--config', at('podfs.yaml')]
    const hidden = `for pasta in /usr/bin/pasta /usr/local/bin/pasta; do
      [ ! -e $pasta ] || mount --bind /dev/null $pasta; done; exec "$@"`
    const options = {
      wrapper: [...machine.wrapper, 'sh', '-c', hidden, 'sh'],
      input: JSON.stringify(simple('web')),
    }
    const { code, stderr } = await podfs(t, [...args, '--network=pod'], options)
    t.equal(code, 3)
    t.match(
      stderr,
      /^error: network pod: this machine lacks the CNI plugin bridge, .*, and pasta; podfs works with network host\n +apt-get install containernetworking-plugins/m,
    )
    const published = await podfs(t, [...args, '--publish=1:2'], options)
    t.equal(published.code, 2)
    t.match(
      published.stderr,
      /--publish: .*network host\n +podfs run --network pod/,
    )
  })
})

t.test('by pasta', { skip: skip || capability('pasta') }, async t => {
  const machine = await networkWorld(t)
  const dir = t.testdir({
    conf: {},
    'podfs.yaml': 'network: pod\ncni: {binDirs: [conf]}',
  })
  const config = ['--config', path.join(dir, 'podfs.yaml'), '--log-level=info']
  const begin = (...pods: readonly Json[]) =>
    startPodfs(t, ['run', '-f', '-', '--all', ...config], {
      wrapper: machine.wrapper,
      input: JSON.stringify(list(pods)),
    })
  const web = object.pod(
    { name: 'web' },
    {
      terminationGracePeriodSeconds: 0,
      restartPolicy: 'Always',
      containers: [
        server('web', {
          ports: [{ containerPort: 8080, hostPort: 18_060 }],
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          livenessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
        }),
        container('late', `sleep 1; ${waits}`, {
          readinessProbe: { tcpSocket: { port: 8081 }, periodSeconds: 1 },
        }),
      ],
    },
  )
  const asks8080 = (ip: string): Json =>
    object.pod(
      { name: 'asking' },
      {
        terminationGracePeriodSeconds: 0,
        containers: [
          container('c', `${asks(`${ip}:8080`)}; ${asks(machine.outside)}`),
          server('other'),
        ],
      },
    )
  const fetch = (url: string) =>
    eventually(() => machine.run('busybox', 'wget', '-qO-', `http://${url}/`))
  const run = begin(web)
  const [, ip = ''] = await run.saw(/at (10\..*)/)

  await t.test('the machine and other Pods reach it', async t => {
    t.equal(await fetch(`${ip}:8080`), 'web\n')
    t.equal(await fetch('127.0.0.1:18060'), 'web\n')
    const other = begin(asks8080(ip))
    await other.saw(new RegExp(`${ip}:8080 says web`))
    await other.saw(new RegExp(`${machine.outside} says outside`))
    other.child.kill('SIGTERM')
    await other.ended
  })
  await t.test('a probe is not answered by pasta', async () => {
    await run.saw(
      /Readiness probe failed: dial tcp 10\.[\d.]+:8081: connect: connection refused/,
      'stderr',
    )
  })
  await t.test('kill -9 of pasta: another sandbox', async t => {
    const pasta = descendants(run.pid).find(
      pid => commandOf(pid)[0]?.endsWith('/pasta') === true,
    )
    process.kill(pasta as number, 'SIGKILL')
    await run.saw(/SandboxChanged/, 'stderr')
    await eventually(() => run.stdout().match(/at 10\./g)?.length === 2)
    t.equal(await fetch(`${ip}:8080`), 'web\n', 'with the same address')
  })
  await t.test('kill -9 of podfs: nothing is left', async t => {
    const family = descendants(run.pid)
    run.child.kill('SIGKILL')
    await run.ended
    await eventually(() => !family.some(isRunning))
    t.match(await machine.left(), [new RegExp(ip.replaceAll('.', '\\.'))])
    const next = begin(
      object.pod({ name: 'next' }, { containers: [container('c', 'echo')] }),
    )
    t.equal((await next.ended).code, 0, next.stderr())
    t.same(await machine.left(), [])
  })
})

t.test('under serve', { skip }, async t => {
  const machine = await networkWorld(t)
  const { start, configure, write } = world(t)
  configure('network: pod')
  write(
    'web.yaml',
    pod('web', '', {
      run: 'true',
      command: `mkdir /var/www-w; echo up > /var/www-w/index.html; exec busybox httpd -f -p 8080 -h /var/www-w`,
      more: 'restartPolicy: Always',
    }),
  )
  const options = { wrapper: machine.wrapper }
  const seen = async (serving: RunningPodfs, what: string): Promise<string> => {
    const args = ['get', 'pod', 'web', '--session', String(serving.pid)]
    const { stdout } = await podfs(
      t,
      [...args, '-o', `jsonpath=${what}`],
      options,
    )
    return stdout
  }
  const addressOf = (serving: RunningPodfs): Promise<string> =>
    eventually(async () => {
      const ip = await seen(serving, '{.status.podIP}')
      return ip.startsWith('10.') && ip
    })
  const answers = (ip: string): Promise<unknown> =>
    eventually(() =>
      machine.run('busybox', 'wget', '-qO-', `http://${ip}:8080/`),
    )

  const first = await start(options)
  const ip = await addressOf(first)
  await answers(ip)
  first.child.kill('SIGKILL')
  await first.ended
  await answers(ip)

  const second = await start(options)
  t.equal(await addressOf(second), ip)
  const restarts = '{.status.containerStatuses[0].restartCount}'
  t.equal(await seen(second, restarts), '0', 'it has run on')
  second.child.kill('SIGKILL')
  await second.ended
  const shim = processes().find(pid => {
    const [, program, session] = commandOf(pid)
    return (
      program?.endsWith('/pod-shim.cjs') === true &&
      session === `/run/podfs/serve-${first.pid}`
    )
  })
  process.kill(shim as number, 'SIGKILL')
  await eventually(() => !isRunning(shim as number))

  const third = await start(options)
  t.equal(await addressOf(third), ip, 'one that was killed has it again')
  await answers(ip)
  third.child.kill('SIGTERM')
  t.equal((await third.ended).code, 0)
  t.same(await machine.left(), [])
})
