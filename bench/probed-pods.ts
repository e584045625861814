/*
 * What Pods with probes cost `podfs serve`: `npm run bench:probed-pods [PODS]`.
 *
 * PODS Pods (default 50) of three containers, each with a liveness and a readiness probe by
 * httpGet and the default period of ten seconds, of a server that is not counted. Printed are the
 * CPU of all of podfs's processes over a minute, and its memory for each Pod, with its shim and
 * without; what the containers' own programs take is left out. It should be less than 5 % of a
 * core, and less than 3 MiB for each Pod beside its shim.
 *
 * Each mount of somebody else counts, since podfs looks whether it was one of its own: where there
 * are such, it needs a mount namespace of its own (unshare --mount).
 *
 * Prints, asserts nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { describeMachine } from './machine.ts'
import { processesBelow, pssOf } from './memory.ts'

const pods = Number(process.argv[2] ?? 50)
const containers = 3
const seconds = 60
const host = '127.0.0.1'

/** Whose memory and time it is. */
const parts = ['podfs', 'shims', 'beside containers', 'programs'] as const
type Part = (typeof parts)[number]

async function main(): Promise<void> {
  if (process.argv[2] === 'server') return await serve()
  for (const line of describeMachine('this process')) console.log(line)
  const none = await measure(0)
  const all = await measure(pods)
  const each = (part: Part): number =>
    (all.memory[part] - none.memory[part]) / pods
  const cpu = (part: Part): number => all.cpu[part] - none.cpu[part]
  for (const part of parts)
    console.log(
      `${part}: ${cpu(part).toFixed(2)} % of a core, ${each(part).toFixed(2)} MiB for each Pod`,
    )
  const ours = parts.filter(part => part !== 'programs')
  const sum = ours.reduce((sum, part) => sum + cpu(part), 0)
  console.log(
    `${all.looks} looks in a minute; ${pods} Pods of ${containers} containers: ${sum.toFixed(2)} % of a core, ${(each('podfs') + each('beside containers')).toFixed(2)} MiB for each Pod beside its shim`,
  )
}

interface Measured {
  /** In per cent of one core. */
  readonly cpu: Record<Part, number>
  /** In MiB. */
  readonly memory: Record<Part, number>
  readonly looks: number
}

/** In a process of its own, which has time to answer whatever this one reads of /proc. */
async function serve(): Promise<void> {
  let looks = 0
  const server = createServer((request, answer) => {
    if (request.url === '/looks') return answer.end(String(looks))
    looks += 1
    return answer.end('well')
  }).listen(0, host)
  await once(server, 'listening')
  console.log((server.address() as AddressInfo).port)
}

async function measure(count: number): Promise<Measured> {
  const server = spawn(process.execPath, [process.argv[1] ?? '', 'server'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(server.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  const looks = async (): Promise<number> =>
    Number(await (await fetch(`http://${host}:${port}/looks`)).text())
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-probed-'))
  const manifests = path.join(directory, 'manifests')
  mkdirSync(manifests)
  writeFileSync(
    path.join(manifests, 'pods.yaml'),
    Array.from({ length: count }, (_, i) => pod(i, port)).join('---\n'),
  )
  const root = path.join(directory, 'root')
  const podfs = spawn(
    process.execPath,
    [path.resolve('dist/podfs.cjs'), 'serve', '-f', manifests, '--root', root],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const session = `/run/podfs/serve-${podfs.pid}`
  try {
    await once(createInterface({ input: podfs.stdout }), 'line')
    const isUp = (): boolean =>
      partsOf(podfs.pid ?? 0, session).programs.length >= count * containers
    while (!isUp()) await delay(5000)
    // Until then V8 clears up what the start has left, in each shim.
    await delay(90_000)
    const before = partsOf(podfs.pid ?? 0, session)
    const began = performance.now()
    const start = map(before, cpuMs)
    const looked = await looks()
    await delay(seconds * 1000)
    const ms = performance.now() - began
    const end = map(before, cpuMs)
    const seen = (await looks()) - looked
    return {
      cpu: map(before, (_, part) => ((end[part] - start[part]) / ms) * 100),
      memory: map(before, pssOf),
      looks: seen,
    }
  } finally {
    podfs.kill('SIGTERM')
    if (podfs.exitCode === null) await once(podfs, 'exit')
    server.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

function pod(number: number, port: number): string {
  const probe = `{httpGet: {host: ${host}, port: ${port}, path: /}}`
  const each = Array.from(
    { length: containers },
    (_, i) => `
  - name: c${i}
    image: debian
    command: [sleep, '100000']
    livenessProbe: ${probe}
    readinessProbe: ${probe}`,
  )
  return `apiVersion: v1
kind: Pod
metadata: {name: pod-${number}, annotations: {podfs.io/run: 'true'}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers:${each.join('')}
`
}

/** A shim is in a session of its own: it is known by what it was started with. */
function partsOf(podfs: number, session: string): Record<Part, number[]> {
  const shims = readdirSync('/proc').filter(name => {
    const words = wordsOf(name)
    return words[1]?.endsWith('/pod-shim.cjs') && words[2] === session
  })
  const beside = shims.flatMap(shim => processesBelow(Number(shim)).slice(1))
  const below = new Set([...shims.map(Number), ...beside])
  const isProgram = (pid: number): boolean => wordsOf(pid)[0] === 'sleep'
  return {
    podfs: processesBelow(podfs).filter(pid => !below.has(pid)),
    shims: shims.map(Number),
    'beside containers': beside.filter(pid => !isProgram(pid)),
    programs: beside.filter(isProgram),
  }
}

function wordsOf(pid: number | string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // No process, or one that has ended.
    return []
  }
}

function map<T, U>(
  values: Record<Part, T>,
  of: (value: T, part: Part) => U,
): Record<Part, U> {
  return Object.fromEntries(
    parts.map(part => [part, of(values[part], part)]),
  ) as Record<Part, U>
}

/** All threads. The hundredths of a second of /proc/PID/stat are too coarse for so many. */
function cpuMs(pids: readonly number[]): number {
  let nanoseconds = 0
  for (const pid of pids)
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8')
      nanoseconds += Number(stat.split(' ')[0])
    }
  return nanoseconds / 1_000_000
}

await main()
