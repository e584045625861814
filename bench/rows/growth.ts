import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { untilPrinted, type Bench } from '../bench.ts'
import { milliseconds } from '../format.ts'
import { processesBelow, pssOf } from '../memory.ts'
import type { Curve, Line, Result, Row } from '../row.ts'
import { median } from '../statistics.ts'
import { mountCommand } from '../trees/command.ts'
import { keyName } from '../trees/payload.ts'

const KEYS = [10, 100, 1000, 10_000]
const VOLUMES = [1, 10, 100, 1000]
/** Memory settles after a start. */
const IDLE_MS = 1000
const UPDATES = 5
const FAN_OUT_TARGET_MS = 2000
/** Growth by 10 may cost this much more than 10 times before it is not linear any more. */
const LINEAR = 1.3

interface Point {
  readonly n: number
  readonly startMs: number
  readonly updateMs: number
  readonly pss: number
}

/** What more keys and more volumes cost: to start, to update, in memory. */
export const growth: Row = { name: 'growth', measure }

async function measure(bench: Bench): Promise<Result> {
  const keys = await pointsOf(KEYS, n => measureKeys(bench, n))
  const volumes = await pointsOf(VOLUMES, n => measureVolumes(bench, n))
  const largest = volumes.at(-1) as Point
  const linear = isLinear(volumes.map(point => point.updateMs))
  return {
    lines: [
      {
        what: 'one object into 1,000 volumes',
        against: '-',
        target: `linear, under ${FAN_OUT_TARGET_MS / 1000} s`,
        figure: `${milliseconds(largest.updateMs)} (${volumes.map(point => `${point.n}: ${milliseconds(point.updateMs)}`).join(', ')})`,
        met: linear && largest.updateMs < FAN_OUT_TARGET_MS,
      },
      line('10 to 10,000 keys in a volume', keys),
      line('1 to 1,000 volumes in a mount', volumes),
    ],
    curves: [
      ...curves('keys in one volume', keys),
      ...curves('volumes in one mount', volumes),
    ],
  }
}

async function pointsOf(
  sizes: readonly number[],
  measureOne: (n: number) => Promise<Point>,
): Promise<Point[]> {
  const points: Point[] = []
  for (const n of sizes) points.push(await measureOne(n))
  return points
}

async function measureKeys(bench: Bench, n: number): Promise<Point> {
  const start = performance.now()
  const tree = await mountCommand(bench, { keys: n, bytes: 40 })
  const startMs = performance.now() - start
  bench.defer(() => tree.close())
  await delay(IDLE_MS)
  const pss = pssOf(processesBelow(tree.pid))
  const last = keyName(n - 1)
  const updateMs = await updates(bench, [path.join(tree.path, last)], text =>
    save(path.join(tree.source, last), text),
  )
  await tree.close()
  return { n, startMs, updateMs, pss }
}

async function measureVolumes(bench: Bench, n: number): Promise<Point> {
  const source = bench.directory('manifests')
  const target = bench.directory('mnt')
  const saveConfigMap = (text: string): void =>
    save(path.join(source, 'config.yaml'), configMap(text))
  saveConfigMap('start')
  writeFileSync(path.join(source, 'pod.yaml'), podWithVolumes(n))
  const start = performance.now()
  const podfs = bench.spawnPodfs('mount', '-f', source, target)
  bench.defer(() => bench.end(podfs))
  await untilPrinted(podfs, text => text.includes('ready'))
  const startMs = performance.now() - start
  await delay(IDLE_MS)
  const pss = pssOf(processesBelow(podfs.pid as number))
  const files = Array.from({ length: n }, (_, volume) =>
    path.join(target, `volume-${volume}`, 'key'),
  )
  const updateMs = await updates(bench, files, saveConfigMap)
  await bench.end(podfs)
  return { n, startMs, updateMs, pss }
}

/** The median time from a save until a reader has seen it in all the files. */
async function updates(
  bench: Bench,
  files: readonly string[],
  saveText: (text: string) => void,
): Promise<number> {
  const times: number[] = []
  for (let update = 0; update < UPDATES; update++) {
    const text = `update ${update};`
    const reader = await bench.client.awaitText(text, files)
    await delay(50)
    const start = process.hrtime.bigint()
    saveText(text)
    times.push(Number((await reader.next()) - start) / 1e6)
    await reader.close()
  }
  return median(times)
}

/** As editors do: beside it, and then a rename. */
function save(file: string, text: string): void {
  const beside = path.join(path.dirname(file), '.saving')
  writeFileSync(beside, text)
  renameSync(beside, file)
}

function configMap(text: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {key: "${text}"}
`
}

function podWithVolumes(n: number): string {
  const volumes = Array.from(
    { length: n },
    (_, volume) => `  - {name: volume-${volume}, configMap: {name: shared}}\n`,
  )
  return `apiVersion: v1
kind: Pod
metadata: {name: growth}
spec:
  containers: [{name: only, image: busybox}]
  volumes:
${volumes.join('')}`
}

/** Whether the last steps of a series over sizes that grow tenfold are at most tenfold. */
function isLinear(values: readonly number[]): boolean {
  const [before = 0, last = 0] = values.slice(-2)
  return last / before <= 10 * LINEAR
}

function line(what: string, points: readonly Point[]): Line {
  const met = (['startMs', 'updateMs', 'pss'] as const).every(name =>
    isLinear(points.map(point => point[name])),
  )
  return {
    what,
    against: '-',
    target: 'time and memory linear',
    figure: points
      .map(
        ({ n, startMs, updateMs, pss }) =>
          `${n}: start ${milliseconds(startMs)}, update ${milliseconds(updateMs)}, ${pss.toFixed(0)} MB`,
      )
      .join('; '),
    met,
  }
}

function curves(xLabel: string, points: readonly Point[]): Curve[] {
  const curve = (
    title: string,
    yLabel: string,
    y: (point: Point) => number,
  ): Curve => ({
    title,
    xLabel,
    yLabel,
    points: points.map(point => ({ x: point.n, y: y(point) })),
  })
  return [
    curve('start to ready', 'ms', point => point.startMs),
    curve('save to readable', 'ms', point => point.updateMs),
    curve('memory (PSS)', 'MB', point => point.pss),
  ]
}
