import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, untilPrinted } from '../bench.ts'
import { processesBelow } from '../memory.ts'
import type { Line, Result, Row } from '../row.ts'
import { cpuMs, wakeupsOf } from '../wakeups.ts'

/**
 * V8 clears up after the start: it looks each 8 s whether it can give memory back (its memory
 * reducer), and collects garbage once or twice more; with 1,000 Pods that has ended after 2 minutes.
 */
const SETTLE_MS = 150_000
const IDLE_MS = 60_000
const MOST_WAKEUPS = 20

/**
 * What `podfs serve` costs while nothing happens. Absolute figures are the machine's: a bare Node
 * that waits is measured in the same minute, and one whose timer fires once a second.
 */
export const idle: Row = { name: 'idle', measure }

async function measure(bench: Bench): Promise<Result> {
  return {
    lines: [await measureServe(bench, 1), await measureServe(bench, 1000)],
  }
}

async function measureServe(bench: Bench, pods: number): Promise<Line> {
  const manifests = bench.directory('manifests')
  const root = path.join(bench.directory('root'), 'root')
  mkdirSync(root)
  writeFileSync(path.join(manifests, 'config.yaml'), configMap)
  const list = Array.from({ length: pods }, (_, i) => pod(i, i === 0))
  writeFileSync(path.join(manifests, 'pods.yaml'), list.join('---\n'))
  const serve = bench.spawnPodfs('serve', '-f', manifests, '--root', root)
  bench.defer(() => bench.end(serve))
  await untilPrinted(serve, text => text.includes('ready'))
  const bare = spawnNode(bench, 'setTimeout(() => {}, 1e9)')
  const timer = spawnNode(bench, 'setInterval(() => {}, 1000)')
  await delay(SETTLE_MS)
  const all = {
    podfs: () => processesBelow(serve.pid ?? 0),
    bare: () => [bare],
    timer: () => [timer],
  }
  const look = (of: keyof typeof all) => ({
    wakeups: wakeupsOf(all[of]()),
    cpu: cpuMs(all[of]()),
  })
  const names = ['podfs', 'bare', 'timer'] as const
  const before = names.map(look)
  await delay(IDLE_MS)
  const [podfs = '', node = '', ticking = ''] = names.map((name, i) => {
    const { wakeups, cpu } = look(name)
    const since = before[i] as { wakeups: number; cpu: number }
    return `${wakeups - since.wakeups} wake-ups, ${cpu - since.cpu} ms of CPU`
  })
  await bench.close()
  return {
    what: `a quiet minute of podfs serve, ${pods === 1 ? 'one Pod that runs' : `${pods} Pods, of which one runs`}: all processes`,
    against: `a bare Node that waits: ${node}; with a timer of one second: ${ticking}`,
    target: `under ${MOST_WAKEUPS} wake-ups`,
    figure: podfs,
    met: Number.parseInt(podfs, 10) < MOST_WAKEUPS,
  }
}

function spawnNode(bench: Bench, script: string): number {
  const child = bench.spawn(process.execPath, ['-e', script])
  bench.defer(() => bench.end(child))
  return child.pid ?? 0
}

const configMap = `apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {key: value}
`

function pod(number: number, runs: boolean): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: pod-${number}, annotations: {podfs.io/run: "${runs}"}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: config, configMap: {name: config}}]
  containers:
  - name: c
    image: busybox
    command: [sleep, "100000"]
    volumeMounts: [{name: config, mountPath: /config}]
`
}
