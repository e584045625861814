/*
 * What a death of the fuse server costs the readers: `npm run bench:crash -- [--kills KILLS]`.
 *
 * 1. Idle: from `kill -9` of a server to the first answer of its successor.
 * 2. Under load: KILLS kills (default 1,000) at random moments, while this process swaps a
 *    volume of ten keys without pause and two other processes read it. Printed are what the
 *    readers saw, and their stalls: for each kill the longest single call of a reader that was
 *    under way or began before the successor had answered.
 *
 * Prints, asserts only that nothing was lost. A run of 1,000 kills or more is written down in
 * docs/reliability.md.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { mountFuse, type FuseMount } from '../src/fuse/mount/mount.ts'
import { silentLogger } from '../src/util/logger.ts'
import { AtomicWriter } from '../src/writer/atomic-writer.ts'

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '1000' } },
})
const kills = Number(values.kills)
if (!Number.isInteger(kills) || kills < 1)
  throw new Error(`--kills ${values.kills}: not a number of kills`)
/** Fewer say little about the slowest hundredth. */
const worthWriting = 1000
const keys = 10
const readers = 2

async function main(): Promise<void> {
  const load = (loadavg()[0] ?? 0).toFixed(1)
  console.log(`Node ${process.version}, Linux ${release()}`)
  const root = mkdtempSync(path.join(tmpdir(), 'podfs-crash-'))
  chmodSync(root, 0o711)
  const directory = path.join(root, 'runtime')
  const publicPath = path.join(root, 'public')
  mkdirSync(directory, { mode: 0o700 })
  mkdirSync(publicPath)
  const mount = await mountFuse({
    directory,
    allowOther: true,
    answerOpens: false,
    lifetime: 'run',
    logger: silentLogger,
  })
  try {
    await mount.bind('', publicPath)
    const volume = path.join(mount.directory, 'volume')
    mkdirSync(volume)
    const lines = [
      `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, load average ${load} before the run`,
      await idle(mount, publicPath, volume),
      ...(await underLoad(mount, path.join(publicPath, 'volume'), volume)),
    ]
    if (kills >= worthWriting) writeDown(lines)
  } finally {
    await mount.stop()
    rmSync(root, { recursive: true, force: true })
  }
}

async function idle(
  mount: FuseMount,
  publicPath: string,
  volume: string,
): Promise<string> {
  const writer = new AtomicWriter(volume, { fill: mount.fill })
  for (let round = 0; round < 20; round++) await writer.write(payload(round))
  const times: number[] = []
  for (let round = 0; round < 20; round++) {
    const pid = await nextServer(mount, undefined)
    await delay(1500) // the standby is warm again
    const at = performance.now()
    process.kill(pid, 'SIGKILL')
    statfsSync(publicPath) // never cached
    times.push(performance.now() - at)
    await nextServer(mount, pid)
  }
  const line = `idle, kill to first answer: ${summary(times)}`
  console.log(line)
  return line
}

async function underLoad(
  mount: FuseMount,
  publicPath: string,
  volume: string,
): Promise<readonly string[]> {
  const writer = new AtomicWriter(volume, { fill: mount.fill })
  await writer.write(payload(-1))
  const children = Array.from({ length: readers }, () =>
    spawn(
      process.execPath,
      ['bench/crash-reader.mjs', publicPath, String(keys)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    ),
  )
  const outputs = children.map(async child => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    await once(child, 'close')
    return JSON.parse(text) as Seen
  })
  const killed: number[] = []
  let swaps = 0
  let failedSwaps = 0
  const state = { over: false }
  const swapping = (async () => {
    for (let round = 0; !state.over; round++)
      try {
        await writer.write(payload(round))
        swaps++
      } catch (error) {
        failedSwaps++
        console.log(`daemon: ${String(error)}`)
      }
  })()
  let pid: number | undefined
  for (let n = 0; n < kills; n++) {
    pid = await nextServer(mount, pid)
    await delay(600 + Math.random() * 100)
    killed.push(Date.now())
    process.kill(pid, 'SIGKILL')
    if (n % 100 === 99) console.log(`${n + 1} kills, ${swaps} swaps`)
  }
  await nextServer(mount, pid)
  await delay(500)
  state.over = true
  await swapping
  for (const child of children) child.stdin.end()
  const seen = await Promise.all(outputs)
  const stalls = killed.map(at =>
    Math.max(
      0,
      ...seen.flatMap(({ slow }) =>
        slow
          .filter(([from, ms]) => from <= at + 300 && from + ms >= at)
          .map(([, ms]) => ms),
      ),
    ),
  )
  const errors: Record<string, number> = {}
  for (const { failures } of seen)
    for (const [code, count] of Object.entries(failures))
      errors[code] = (errors[code] ?? 0) + count
  const sum = (of: (one: Seen) => number): number =>
    seen.reduce((total, one) => total + of(one), 0)
  const lines = [
    `kills: ${kills}, swaps: ${swaps}, of them failed: ${failedSwaps}`,
    `reads: ${sum(one => one.reads)}, whole generations: ${sum(one => one.sets)}, torn: ${sum(one => one.torn)}`,
    `ENOENT of a generation that was replaced: ${sum(one => one.replaced)}`,
    `other errors of readers: ${JSON.stringify(errors)}`,
    `stall of a kill: ${summary(stalls)}`,
  ]
  console.log(lines.join('\n'))
  const last = readFileSync(path.join(publicPath, 'key-0'), 'utf8')
  if (failedSwaps > 0 || Object.keys(errors).length > 0 || last === '')
    process.exitCode = 1
  return lines
}

/** Between the two comments of the document. */
function writeDown(lines: readonly string[]): void {
  const file = 'docs/reliability.md'
  const text = readFileSync(file, 'utf8')
  const begin = '<!-- bench:crash -->\n'
  const start = text.indexOf(begin)
  const end = text.indexOf('<!-- /bench:crash -->')
  if (start < 0 || end < start) throw new Error(`${file} has no place for it`)
  const list = lines.map(line => `- ${line}\n`).join('')
  writeFileSync(
    file,
    `${text.slice(0, start + begin.length)}\n${list}\n${text.slice(end)}`,
  )
}

interface Seen {
  readonly reads: number
  readonly sets: number
  readonly torn: number
  readonly replaced: number
  readonly failures: Readonly<Record<string, number>>
  /** When it began, and for how many milliseconds it took. */
  readonly slow: readonly (readonly [number, number])[]
}

function payload(round: number): Map<string, { data: Buffer; mode: number }> {
  return new Map(
    Array.from({ length: keys }, (_, key) => [
      `key-${key}`,
      { data: Buffer.from(`generation ${round}`), mode: 0o644 },
    ]),
  )
}

async function nextServer(
  mount: FuseMount,
  pid: number | undefined,
): Promise<number> {
  while (mount.serverPid === undefined || mount.serverPid === pid)
    await delay(2)
  return mount.serverPid
}

function summary(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`
}

void main()
