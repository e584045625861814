/*
 * What probes cost: `npm run bench:probes [SECONDS]`.
 *
 * 1,000 of a kind with a period of ten seconds, as CPU of one core over a minute, without the
 * server; and one exec probe beside nsenter with the same program. Prints, asserts nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Container, Probe } from '../src/api/types.ts'
import { defaultCapabilities } from '../src/linux/capabilities.ts'
import { Alarm } from '../src/runner/lifecycle/probes/alarm.ts'
import { InstanceProbes } from '../src/runner/lifecycle/probes/instance-probes.ts'
import { stepFrom } from '../src/runner/lifecycle/probes/probe-state.ts'
import { createSandboxRuntime } from '../src/runner/sandbox/sandbox-runtime.ts'
import { systemClock } from '../src/util/clock.ts'
import { describeMachine } from './machine.ts'

const count = 1000
const execs = 200
const seconds = Number(process.argv[2] ?? 60)
const host = '127.0.0.1'

async function main(): Promise<void> {
  if (process.argv[2] === 'server') return await serve()
  for (const line of describeMachine('this process')) console.log(line)
  const server = spawn(process.execPath, [process.argv[1] ?? '', 'server'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(server.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  const none = await measure(undefined)
  for (const [kind, handler] of Object.entries<Partial<Probe>>({
    tcpSocket: { tcpSocket: { host, port } },
    httpGet: { httpGet: { host, port, path: '/', scheme: 'HTTP' } },
  }))
    print(`${count} ${kind}`, await measure(handler), none)
  server.kill()
  await printExecs()
}

async function serve(): Promise<void> {
  const server = createServer((_, answer) => answer.end('well')).listen(0, host)
  await once(server, 'listening')
  console.log((server.address() as AddressInfo).port)
}

/** CPU of one core while `count` of them look, 0 to 1. */
async function measure(handler: Partial<Probe> | undefined): Promise<number> {
  let failed = 0
  const all = Array.from({ length: handler === undefined ? 0 : count }, () =>
    probes(handler ?? {}, () => failed++),
  )
  for (const each of all) {
    each.begin()
    // Spread over the period, as containers that start one after the other.
    await systemClock.sleep(10_000 / count)
  }
  const before = process.cpuUsage()
  const start = systemClock.elapsed()
  await systemClock.sleep(seconds * 1000)
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1000 / (systemClock.elapsed() - start)
  for (const each of all) each.end()
  if (failed > 0) console.log(`${failed} failed`)
  return cpu
}

function probes(handler: Partial<Probe>, onEvent: () => void): InstanceProbes {
  const readinessProbe: Probe = {
    initialDelaySeconds: 0,
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
    ...handler,
  }
  const container: Container = {
    name: 'c',
    image: 'i',
    env: [],
    envFrom: [],
    volumeMounts: [],
    resources: { limits: new Map(), requests: new Map() },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    readinessProbe,
  }
  return new InstanceProbes({
    target: {
      container,
      podIP: host,
      exec: async () => ({ exitCode: 0, output: '' }),
    },
    clock: systemClock,
    runs: new Map(),
    startedAt: systemClock.elapsed(),
    alarm: new Alarm(systemClock),
    step: stepFrom(systemClock.elapsed()),
    onEvent,
    onVerdict: () => undefined,
  })
}

function print(what: string, cpu: number, none: number): void {
  console.log(`${what}: ${((cpu - none) * 100).toFixed(2)} % of a core`)
}

/** Milliseconds of CPU of one exec, all its processes, as a probe does it and with nsenter alone. */
async function printExecs(): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-probes-'))
  const runtime = createSandboxRuntime({
    scratchDirectory: path.join(directory, 'scratch'),
    appletsDirectory: path.join(directory, 'applets'),
    ownDirectories: [],
    hostDirectories: ['/*'],
    visible: [],
  })
  try {
    const container = await runtime.start({
      name: 'c',
      argv: ['sleep', '1000'],
      env: new Map([['PATH', process.env['PATH'] ?? '/usr/bin:/bin']]),
      mounts: [],
      busybox: false,
      rights: { privileged: false, capabilities: defaultCapabilities },
    })
    const { pid } = container
    const nsenter = await cpuOf(async () => {
      const child = spawn(
        'nsenter',
        [`--target=${pid}`, '--mount', '--uts', '--pid', '--', 'true'],
        { stdio: ['ignore', 'pipe', 'pipe'] },
      )
      await once(child, 'close')
    })
    const probe = await cpuOf(() =>
      container.exec(['true'], new AbortController().signal),
    )
    console.log(
      `nsenter and true ${nsenter.toFixed(2)} ms of CPU, as an exec probe ${probe.toFixed(2)} ms: ${(probe / nsenter).toFixed(2)} times`,
    )
  } finally {
    await runtime.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function cpuOf(run: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < execs / 10; i++) await run()
  const before = ticks()
  for (let i = 0; i < execs; i++) await run()
  return ((ticks() - before) * 10) / execs
}

/** Of this process and of its children that have ended: hundredths of a second, proc(5). */
function ticks(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields
    .slice(11, 15)
    .map(Number)
    .reduce((sum, each) => sum + each)
}

await main()
