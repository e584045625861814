import { spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { untilPrinted, type Bench } from '../bench.ts'
import { milliseconds, ratioText, summaryText } from '../format.ts'
import { processesBelow, pssOf } from '../memory.ts'
import { skipped, type Line, type Result, type Row } from '../row.ts'
import { alternate, median, ratioOf, summarize } from '../statistics.ts'
import { cpuMs } from '../wakeups.ts'

const RUNS = 3
const REQUESTS = 300
const STREAM_MIB = 128
const QUERIES = 5000
const PODS = 50
const IDLE_MS = 10_000
const WHAT = 'networks of Pods and Services'

/**
 * Pods with networks of their own, by CNI plugins, in a network namespace in the place of the
 * machine's, with a run-time directory of its own.
 */
export const networks: Row = { name: 'networks', measure }

async function measure(bench: Bench): Promise<Result> {
  const found = spawnSync('ls', ['/usr/lib/cni/bridge'])
  if (found.status !== 0)
    return { lines: [skipped(WHAT, '-', '-', 'no CNI plugins')] }
  const world = await beginWorld(bench)
  return {
    lines: [
      await firstLine(bench, world),
      ...(await requests(bench, world)),
      await idle(bench, world),
    ],
  }
}

/** What stands before a command that is to run in there. */
async function beginWorld(bench: Bench): Promise<readonly string[]> {
  const script =
    'mkdir -p /run/podfs; mount -t tmpfs -o mode=0700 podfs-bench /run/podfs; ip link set lo up; echo; cat'
  const holder = bench.spawn(
    'unshare',
    ['--net', '--mount', '--', 'sh', '-ec', script],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  bench.defer(() => void holder.kill('SIGKILL'))
  await untilPrinted(holder, text => text !== '')
  return ['nsenter', `--target=${holder.pid}`, '--net', '--mount', '--']
}

function start(
  bench: Bench,
  world: readonly string[],
  network: 'host' | 'pod',
  file: string,
): ChildProcess {
  const [nsenter = '', ...args] = world
  const command = [bench.node, bench.podfs, 'run', '--all', '-f', file]
  return bench.spawn(nsenter, [...args, ...command, '--network', network], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

async function firstLine(
  bench: Bench,
  world: readonly string[],
): Promise<Line> {
  const file = write(bench, pod('hello', 'echo hello; sleep 1000'))
  const times = (network: 'host' | 'pod') => async () => {
    const all: number[] = []
    for (let i = 0; i < RUNS; i += 1) {
      const began = performance.now()
      const podfs = start(bench, world, network, file)
      await untilPrinted(podfs, text => text.includes('hello'))
      all.push(performance.now() - began)
      await bench.end(podfs)
    }
    return all
  }
  const both = await alternate(bench.rounds, {
    pod: times('pod'),
    host: times('host'),
  })
  return {
    what: '`podfs run` of a Pod with `network: pod`, to its first line',
    against: `\`network: host\`: ${summaryText(summarize(both.host), milliseconds)}`,
    target: '-',
    figure: `${summaryText(summarize(both.pod), milliseconds)}; ${ratioText(ratioOf(both.pod, both.host))}`,
  }
}

/** Answers each connection with a byte, or with many. */
const server = `require('node:net').createServer(socket => {
  socket.on('error', () => undefined)
  socket.once('data', data => socket.end(String(data) === 'all' ? Buffer.alloc(${STREAM_MIB} << 20) : 'x'))
}).listen(8080, () => console.log('listening'))`

/** Prints [milliseconds of each request, MiB per second, questions per second]. */
const client = `const net = require('node:net'), dgram = require('node:dgram')
const [, ip, port, nameserver] = process.argv
const ask = word => new Promise((resolve, reject) => {
  const began = performance.now()
  const socket = net.connect(Number(port), ip, () => socket.write(word))
  socket.on('error', reject).on('data', () => undefined).on('end', () => resolve(performance.now() - began))
})
const query = Buffer.from('000101000001000000000000' + Buffer.from('\\x03web\\x07default\\x03svc\\x07cluster\\x05local\\x00').toString('hex') + '00010001', 'hex')
const names = () => new Promise(resolve => {
  const began = performance.now()
  let sent = 0, answered = 0
  const socket = dgram.createSocket('udp4')
  const next = () => { if (sent < ${QUERIES}) { sent += 1; socket.send(query) } }
  socket.on('message', () => {
    answered += 1
    if (answered === ${QUERIES}) { socket.close(); resolve(${QUERIES} / (performance.now() - began) * 1000) } else next()
  })
  socket.connect(53, nameserver, () => { for (let i = 0; i < 20; i += 1) next() })
})
const main = async () => {
  for (let i = 0; i < 20; i += 1) await ask('one')
  const times = []
  for (let i = 0; i < ${REQUESTS}; i += 1) times.push(await ask('one'))
  const rate = ${STREAM_MIB} / (await ask('all')) * 1000
  console.log(JSON.stringify([times, rate, nameserver === undefined ? 0 : await names()]))
}
main()`

async function requests(
  bench: Bench,
  world: readonly string[],
): Promise<readonly Line[]> {
  const service = `apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
`
  const asked = pod(
    'web',
    `echo address $IP service $WEB_SERVICE_HOST; grep nameserver /etc/resolv.conf; exec ${bench.node} -e ${quoted(server)}`,
  )
  const podfs = start(bench, world, 'pod', write(bench, service + asked))
  const said = await untilPrinted(podfs, text => text.includes('listening'))
  const [, podIP = '', serviceIP = ''] =
    /address (\S+) service (\S+)/.exec(said) ?? []
  const nameserver = /nameserver (\S+)/.exec(said)?.[1] ?? ''
  // The Service may not know yet that it is ready.
  await delay(1000)
  const rates: Record<'pod' | 'service', number[]> = { pod: [], service: [] }
  const questions: number[] = []
  const ask = (side: 'pod' | 'service', words: readonly string[]) => () => {
    const [nsenter = '', ...args] = world
    const { stdout } = spawnSync(
      nsenter,
      [...args, bench.node, '-e', client, ...words],
      { encoding: 'utf8' },
    )
    const [times, rate, names] = JSON.parse(stdout) as [
      number[],
      number,
      number,
    ]
    rates[side].push(rate)
    if (names > 0) questions.push(names)
    return Promise.resolve(times)
  }
  const times = await alternate(bench.rounds, {
    service: ask('service', [serviceIP, '80', nameserver]),
    pod: ask('pod', [podIP, '8080']),
  })
  await bench.end(podfs)
  const rate = (all: readonly number[]): string =>
    `${Math.round(median(all))} MiB/s`
  return [
    {
      what: 'a connection with one request through a Service',
      against: `to the Pod itself: ${summaryText(summarize(times.pod), milliseconds)}`,
      target: '-',
      figure: `${summaryText(summarize(times.service), milliseconds)}; ${ratioText(ratioOf(times.service, times.pod))}`,
    },
    {
      what: `${STREAM_MIB} MiB through a Service`,
      against: `from the Pod itself: ${rate(rates.pod)}`,
      target: '-',
      figure: rate(rates.service),
    },
    {
      what: 'names of Services, 20 questions at once, by UDP',
      against: '-',
      target: '-',
      figure: `${Math.round(median(questions))} answers/s`,
    },
  ]
}

async function idle(bench: Bench, world: readonly string[]): Promise<Line> {
  const pods = Array.from({ length: PODS }, (_, i) =>
    pod(`p${i}`, 'echo up; exec sleep 1000'),
  )
  const podfs = start(bench, world, 'pod', write(bench, pods.join('---\n')))
  await untilPrinted(podfs, text => text.split('| up').length > PODS)
  await delay(3000)
  const all = processesBelow(podfs.pid ?? 0)
  const before = cpuMs(all)
  await delay(IDLE_MS)
  const cpu = cpuMs(all) - before
  const line = {
    what: `${PODS} Pods with networks, idle: processor and memory (PSS) of all processes, those of the Pods included`,
    against: '-',
    target: '-',
    figure: `${((cpu / IDLE_MS) * 100).toFixed(2)} % of a core; ${pssOf(all).toFixed(0)} MB, ${(pssOf(all) / PODS).toFixed(1)} MB for each Pod; ${all.length} processes`,
  }
  const exited = once(podfs, 'exit')
  podfs.kill('SIGTERM')
  await exited
  return line
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

function pod(name: string, script: string): string {
  return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers:
  - name: c
    image: debian
    command: [sh, -c, ${JSON.stringify(script)}]
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
`
}

function write(bench: Bench, text: string): string {
  const file = path.join(bench.directory('networks'), 'pods.yaml')
  writeFileSync(file, text)
  return file
}
