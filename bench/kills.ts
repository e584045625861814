/*
 * podfs with networks, Services, names and cgroups under kills at random moments:
 * `npm run bench:kills -- [--kills KILLS] [--seed SEED]`.
 *
 * KILLS times (default 200) a podfs is started in namespaces of its own (network, mounts, PIDs):
 * `run`, and each third time `serve`, of three Pods with `network: pod` (a server, a hostPort, a
 * client that asks by the server's name) and limits. At a random moment of its first seconds one
 * process gets a `kill -9`: podfs itself, or one that it has started (a plugin or pasta half-way,
 * pause, a shim, the Service proxy), after which podfs gets one, too. Each second time the network is
 * pasta's.
 *
 * What has to hold, else the exit code is 1:
 *
 * - of a `run` no process is there two seconds later;
 * - a `run` that is started next, and ends by itself, leaves no process, interface, address, rule of
 *   iptables, cgroup, file or mount of the killed one, nor of its own;
 * - an address, a chain, an interface and a cgroup of somebody else's are as they were.
 *
 * A run of 200 kills or more is written down in docs/reliability.md.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { killOptions } from './random-kills.ts'

/** In the namespaces, in which it starts itself once more. */
const isInside = process.argv[2] === '--inside'
const { kills, seed, random } = killOptions(
  200,
  process.argv.slice(isInside ? 3 : 2),
)

const runtime = '/run/podfs'
const longestMs = 1800
const goneMs = 2000

const pick = <T>(list: readonly T[]): T | undefined =>
  list[Math.floor(random() * list.length)]

const limits = 'resources: {limits: {cpu: 500m, memory: 64Mi}}'
const pod = (name: string, script: string, more = ''): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}, annotations: {podfs.io/run: "true"}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers:
  - {name: c, image: busybox, command: [sh, -c, ${JSON.stringify(script)}], ${limits}${more}}
`
const three = `apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
${pod('web', 'mkdir /tmp/www; exec httpd -f -p 8080 -h /tmp/www', ', ports: [{containerPort: 8080}]')}
${pod('port', 'exec httpd -f -p 8081', ', ports: [{containerPort: 8081, hostPort: 18081}]')}
${pod('client', 'while :; do nslookup web.default.svc.cluster.local; wget -q -O - http://web/; sleep 0.2; done')}
`
const one = pod('one', 'true').replace('spec:', 'spec:\n  restartPolicy: Never')

interface Place {
  readonly directory: string
  readonly config: (network: 'cni' | 'pasta') => string
}

function place(): Place {
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-kills-'))
  mkdirSync(path.join(directory, 'manifests'))
  writeFileSync(path.join(directory, 'manifests/three.yaml'), three)
  writeFileSync(path.join(directory, 'one.yaml'), one)
  const config = (network: 'cni' | 'pasta'): string =>
    path.join(directory, `${network}.yaml`)
  const text = 'network: pod\nbackoffScale: 0.01\n'
  writeFileSync(config('cni'), text)
  writeFileSync(config('pasta'), `${text}cni: {binDirs: [none]}\n`)
  return { directory, config }
}

function podfs(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['dist/podfs.cjs', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function printed(child: ChildProcess, text: string): Promise<void> {
  let said = ''
  await new Promise<void>(resolve =>
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said.includes(text)) resolve()
    }),
  )
}

function run(...argv: readonly string[]): string {
  const [program = '', ...args] = argv
  return spawnSync(program, args, { encoding: 'utf8' }).stdout
}

const lines = (text: string): string[] =>
  text.split('\n').filter(line => line !== '')

/** All processes of this PID namespace but this one and the first. */
function processes(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => pid > 1 && pid !== process.pid)
    .filter(pid => {
      const stat = textOf(`/proc/${pid}/stat`)
      return stat !== '' && !/\) Z /.test(stat)
    })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

const commandOf = (pid: number): string =>
  textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()

/** What the names of the cgroups of Pods end with, as their files have it. */
function marks(): string[] {
  return run('find', runtime, '-name', 'processes', '-type', 'f')
    .split('\n')
    .map(file => textOf(file).replace(/^podfs-|-$/g, ''))
    .filter(mark => mark !== '')
}

const bystander = '/sys/fs/cgroup/memory/podfs-kills-bystander'

function beginBystanders(): void {
  run('ip', 'link', 'add', 'bystander', 'type', 'dummy')
  run('ip', 'address', 'add', '10.241.255.250/32', 'dev', 'lo')
  run('ip', 'address', 'add', '10.113.255.250/32', 'dev', 'lo', 'label', 'lo:x')
  run('iptables', '-w', '-t', 'nat', '-N', 'BYSTANDER')
  run('iptables', '-w', '-t', 'nat', '-A', 'POSTROUTING', '-j', 'BYSTANDER')
  if (existsSync('/sys/fs/cgroup/memory'))
    mkdirSync(bystander, { recursive: true })
}

/** Interfaces, addresses, rules, files and mounts. */
function state(): string[] {
  return [
    ...lines(run('ip', '-brief', 'link')).map(
      line => line.split(/[\s@]/)[0] ?? '',
    ),
    ...lines(run('ip', '-oneline', '-4', 'address', 'show', 'dev', 'lo')),
    ...lines(run('iptables', '-w', '-S')),
    // portmap makes these once for all who use it.
    ...lines(run('iptables', '-w', '-t', 'nat', '-S')).filter(
      line => !line.includes('CNI-HOSTPORT-'),
    ),
    ...(existsSync(bystander) ? [bystander] : []),
    ...lines(textOf('/proc/self/mountinfo')).flatMap(line => {
      const mountpoint = line.split(' ')[4] ?? ''
      return mountpoint.startsWith('/run/podfs/') ? [mountpoint] : []
    }),
    ...lines(run('find', runtime, '-mindepth', '1')).filter(
      file => !/\/(network|\d+|lock|claim-\w+)$/.test(file),
    ),
  ]
}

async function within(ms: number, isSo: () => boolean): Promise<number> {
  const began = performance.now()
  while (!isSo() && performance.now() - began < ms) await delay(20)
  return performance.now() - began
}

async function inside(): Promise<void> {
  beginBystanders()
  const before = state()
  const { directory, config } = place()
  const failures: string[] = []
  const gone: number[] = []
  const killed = new Map<string, number>()
  try {
    for (let i = 0; i < kills; i += 1) {
      const network = i % 2 === 0 ? 'cni' : 'pasta'
      const isServe = i % 3 === 2
      const what = `kill ${i + 1} (${isServe ? 'serve' : 'run'}, ${network})`
      let last = 'podfs'
      const fail = (text: string): void => {
        failures.push(`${what}: ${text}`)
        console.log(`FAILED ${what}, after ${last}: ${text.slice(0, 1000)}`)
      }
      const input = [
        '-f',
        path.join(directory, 'manifests'),
        '--config',
        config(network),
      ]
      const serve = ['serve', '--root', path.join(directory, 'root'), ...input]
      const child = podfs(isServe ? serve : ['run', '--all', ...input])
      let said = ''
      child.stdout?.resume()
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
      const ended = once(child, 'exit')
      // Each second time one of its processes comes first.
      const victim =
        random() < 0.5 ? pick(victimsOf({ network, isServe })) : undefined
      if (victim === undefined) await delay(random() * longestMs)
      else if (await killFirst(victim)) {
        last = `${victim.name}, podfs`
        killed.set(victim.name, (killed.get(victim.name) ?? 0) + 1)
        await delay(random() * 300)
      }
      kill(child.pid)
      killed.set('podfs', (killed.get('podfs') ?? 0) + 1)
      await ended
      const cgroups = marks()
      if (isServe) {
        // Its Pods live on, until the next one ends them.
        const next = podfs(serve)
        const nextEnded = once(next, 'exit')
        await Promise.race([printed(next, ' ready ('), nextEnded])
        cgroups.push(...marks())
        next.kill('SIGTERM')
        await nextEnded
      } else {
        const ms = await within(4 * goneMs, () => processes().length === 0)
        gone.push(ms)
        if (ms > goneMs)
          fail(
            `${Math.round(ms)} ms later there was ${processes().map(commandOf).join('; ').slice(0, 300) || 'something'}`,
          )
      }
      const next = podfs([
        'run',
        '-f',
        path.join(directory, 'one.yaml'),
        '--config',
        config(network),
      ])
      let nextSaid = ''
      next.stdout?.resume()
      next.stderr?.on('data', (chunk: Buffer) => (nextSaid += chunk.toString()))
      const [code] = (await once(next, 'exit')) as [number | null]
      if (code !== 0) fail(`the next one ended with ${code}: ${nextSaid}`)
      await within(goneMs, () => processes().length === 0)
      const after = state()
      const left = [
        ...after.filter(line => !before.includes(line)),
        ...processes().map(pid => `process ${commandOf(pid)}`),
        ...cgroups.flatMap(mark =>
          lines(
            run(
              'find',
              '/sys/fs/cgroup',
              '-maxdepth',
              '5',
              '-name',
              `pod${mark}`,
            ),
          ),
        ),
      ]
      // Mounts of podfs outside end with it, in this copy of the mount table, too.
      const missing = before.filter(
        line => !after.includes(line) && !line.startsWith(`${runtime}/`),
      )
      if (left.length > 0)
        fail(`left: ${left.slice(0, 6).join(', ')} (${left.length})`)
      if (missing.length > 0) fail(`gone: ${missing.join(', ')}`)
      if (left.length + missing.length > 0) console.log(said.slice(0, 1000))
      if ((i + 1) % 10 === 0) console.log(`${i + 1} kills`)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
    if (existsSync(bystander)) rmdirSync(bystander)
  }
  report(failures, gone, killed)
  process.exitCode = failures.length > 0 ? 1 : 0
}

/**
 * Of what is there for a moment any moment is half-way. What serves the mount has a program of its
 * own for this: soak.ts.
 */
interface Victim {
  readonly name: string
  readonly command: RegExp
  readonly isBrief: boolean
}

function victimsOf(podfs: {
  readonly network: 'cni' | 'pasta'
  readonly isServe: boolean
}): readonly Victim[] {
  const brief = (name: string): Victim => ({
    name,
    command: new RegExp(`^\\S*/${name}( |$)`),
    isBrief: true,
  })
  const lasting = (name: string, command: RegExp): Victim => ({
    name,
    command,
    isBrief: false,
  })
  return [
    lasting('pause', /pause/),
    lasting('service-proxy', /service-proxy/),
    ...(podfs.isServe ? [lasting('shim', /pod-shim/)] : []),
    ...(podfs.network === 'pasta'
      ? [lasting('pasta', /^\S*pasta/)]
      : ['bridge', 'portmap', 'host-local', 'iptables'].map(brief)),
  ]
}

/** Whether one has come, and was killed. */
async function killFirst({ command, isBrief }: Victim): Promise<boolean> {
  const look = (): number | undefined =>
    processes().find(pid => command.test(commandOf(pid)))
  let found: number | undefined
  const began = performance.now()
  while ((found = look()) === undefined) {
    if (performance.now() - began > longestMs) return false
    await delay(isBrief ? 1 : 20)
  }
  if (!isBrief) {
    await delay(random() * 500)
    found = look()
  }
  kill(found)
  return found !== undefined
}

function kill(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

function report(
  failures: readonly string[],
  gone: readonly number[],
  killed: ReadonlyMap<string, number>,
): void {
  const sorted = gone.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0)
  const which = [...killed]
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
  const load = (loadavg()[0] ?? 0).toFixed(1)
  const text = [
    `${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} cores, load average ${load} at the end, seed ${seed}:`,
    `${kills} rounds, in which were killed: ${which}.`,
    `The last process of a \`run\` was gone after ${at(0.5)} ms (median), ${at(1)} ms at most.`,
    failures.length === 0
      ? 'Nothing was left after the next start, and nothing of the bystanders was touched.'
      : `${failures.length} failures.`,
  ].join(' ')
  console.log(text)
  if (kills >= 200 && failures.length === 0) writeDown(text)
}

/** Between two marks of docs/reliability.md. */
function writeDown(text: string): void {
  const file = 'docs/reliability.md'
  const page = readFileSync(file, 'utf8')
  const marked = /(<!-- kills -->\n)[^]*?(<!-- \/kills -->)/
  if (marked.test(page))
    writeFileSync(
      file,
      page.replace(
        marked,
        (_, from: string, to: string) => `${from}\n${text}\n\n${to}`,
      ),
    )
}

if (isInside) await inside()
else {
  const script = `mkdir -p ${runtime}; mount -t tmpfs -o mode=0700 podfs-kills ${runtime}
    ip link set lo up
    # pasta wants to see a way to the world.
    ip link add up0 type veth peer name out0
    ip address add 198.51.100.1/24 dev up0
    ip link set up0 up; ip link set out0 up
    ip route add default via 198.51.100.2
    exec "$@"`
  const [program = '', ...args] = process.argv.slice(1)
  const child = spawn(
    'unshare',
    [
      [
        '--net',
        '--mount',
        '--pid',
        '--fork',
        '--mount-proc',
        '--kill-child',
        '--',
      ],
      ['sh', '-ec', script, 'sh'],
      // The first process of a PID namespace has to reap: it is a shell.
      ['sh', '-c', '"$@" & wait $!', 'sh'],
      [process.execPath, program, '--inside', ...args],
    ].flat(),
    { stdio: 'inherit' },
  )
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
}
