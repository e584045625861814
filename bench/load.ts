/*
 * `podfs serve` under load: `npm run bench:load [PODS]`.
 *
 * PODS Pods (default 1,000) with ten ConfigMap volumes of ten keys each; one of the ten is
 * the same ConfigMap in all of them. Printed are the time from the start to the ready line,
 * the memory and the CPU time of all processes, the time from a save of that one ConfigMap to
 * the last of its volumes, and the CPU time and wake-ups while nothing happens, in two minutes.
 *
 * Prints, asserts nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { describeMachine } from './machine.ts'
import { processesBelow, pssOf } from './memory.ts'
import { cpuMs, wakeupsOf } from './wakeups.ts'

const pods = Number(process.argv[2] ?? 1000)
const volumes = 10
const keys = 10
/** ConfigMaps that Pods share at random, beside the one that all have. */
const others = 100
const rounds = 3
const idleMs = 60_000

async function main(): Promise<void> {
  for (const line of describeMachine('this process')) console.log(line)
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-load-'))
  const root = path.join(directory, 'root')
  const manifests = path.join(directory, 'manifests')
  mkdirSync(manifests)
  const save = (value: string): void =>
    writeFileSync(
      path.join(manifests, 'shared.yaml'),
      configMap('shared', value),
    )
  save('round 0')
  writeFileSync(
    path.join(manifests, 'others.yaml'),
    range(others)
      .map(i => configMap(`other-${i}`, 'x'))
      .join('---\n'),
  )
  writeFileSync(
    path.join(manifests, 'pods.yaml'),
    range(pods).map(pod).join('---\n'),
  )
  const began = performance.now()
  const podfs = spawn(
    process.execPath,
    [path.resolve('dist/podfs.cjs'), 'serve', '-f', manifests, '--root', root],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    await once(createInterface({ input: podfs.stdout }), 'line')
    const all = (): number[] => processesBelow(podfs.pid ?? 0)
    console.log(`ready after ${seconds(performance.now() - began)}`)
    console.log(`CPU time until then ${seconds(cpuMs(all()))}`)
    console.log(`memory ${pssOf(all()).toFixed(0)} MiB`)
    for (const round of range(rounds)) {
      const value = `round ${round + 1}`
      const before = cpuMs(all())
      const saved = performance.now()
      save(value)
      for (const i of range(pods))
        while (readKey(root, i) !== value) await delay(2)
      console.log(
        `published in ${pods} volumes after ${seconds(performance.now() - saved)}, CPU time ${seconds(cpuMs(all()) - before)}`,
      )
    }
    // In the first minute V8 clears up after the load.
    for (const minute of ['first', 'second']) {
      const before = cpuMs(all())
      const wakeups = wakeupsOf(all())
      await delay(idleMs)
      const share = ((cpuMs(all()) - before) / idleMs) * 100
      console.log(
        `idle, ${minute} minute: ${share.toFixed(2)} % of a core, ${wakeupsOf(all()) - wakeups} wake-ups`,
      )
    }
    console.log(`memory ${pssOf(all()).toFixed(0)} MiB`)
  } finally {
    podfs.kill('SIGTERM')
    if (podfs.exitCode === null) await once(podfs, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i)
}

function configMap(name: string, value: string): string {
  const data = range(keys).map(key => `  key-${key}: ${value}\n`)
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata:\n${data.join('')}`
}

function pod(number: number): string {
  const names = range(volumes - 1).map(
    i => `other-${(number + 7 * i) % others}`,
  )
  const list = ['shared', ...names].map(
    (name, i) => `  - {name: v${i}, configMap: {name: ${name}}}\n`,
  )
  return `apiVersion: v1
kind: Pod
metadata: {name: pod-${number}}
spec:
  containers: [{name: c, image: busybox}]
  volumes:
${list.join('')}`
}

function readKey(root: string, pod: number): string {
  const file = `default/pods/pod-${pod}/v0/key-${keys - 1}`
  return readFileSync(path.join(root, file), 'utf8')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

await main()
