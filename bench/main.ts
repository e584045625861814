import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { arch, availableParallelism, release, tmpdir } from 'node:os'
import path from 'node:path'

/*
 * Times that a person feels, printed and never asserted: a test that fails on a loaded
 * machine tells nothing. `npm run bench` builds podfs and runs this.
 */

const podfs = path.resolve('dist/podfs.cjs')
const scratch = mkdtempSync(path.join(tmpdir(), 'podfs-bench-'))

async function main(): Promise<void> {
  console.log(
    `Node ${process.version}, Linux ${release()} ${arch()}, ${availableParallelism()} cores\n`,
  )
  print('node -e 0', measure(10, startOfNode))
  print('podfs mount to its ready line', await measureAsync(10, startOfMount))
  print(
    'podfs run of two containers to the first line of both',
    await measureAsync(10, startOfRun),
  )
  print('rename-save of a source to new bytes readable', await saveToRead(300))
}

function startOfNode(): number {
  const at = performance.now()
  spawnSync(process.execPath, ['-e', '0'])
  return performance.now() - at
}

async function startOfMount(): Promise<number> {
  const source = path.join(scratch, 'source')
  const at = performance.now()
  const mount = await startMount(source)
  const took = performance.now() - at
  await end(mount)
  return took
}

async function startOfRun(): Promise<number> {
  const at = performance.now()
  const run = spawn(
    process.execPath,
    [podfs, 'run', '-f', 'examples/quickstart'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  await untilPrinted(run, text => /^web /m.test(text) && /^worker /m.test(text))
  const took = performance.now() - at
  await end(run)
  return took
}

/**
 * The reader polls without a pause, so what is measured is podfs's delay and one poll: from
 * the end of the rename to the first read that gives the new bytes.
 */
async function saveToRead(rounds: number): Promise<number[]> {
  const source = path.join(scratch, 'source')
  const mount = await startMount(source)
  const key = path.join(scratch, 'mnt', 'key')
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const text = `round ${round}\n`
    writeFileSync(path.join(source, '.key.new'), text)
    renameSync(path.join(source, '.key.new'), path.join(source, 'key'))
    const at = performance.now()
    while (readFileSync(key, 'utf8') !== text) {
      // Look again: the file server and podfs have the other core.
    }
    times.push(performance.now() - at)
    await new Promise(resolve => setTimeout(resolve, 20 + (round % 7) * 5))
  }
  await end(mount)
  return times
}

async function startMount(source: string): Promise<ChildProcess> {
  rmSync(source, { recursive: true, force: true })
  spawnSync('mkdir', ['-p', source])
  writeFileSync(path.join(source, 'key'), 'first\n')
  const mount = spawn(
    process.execPath,
    [podfs, 'mount', source, path.join(scratch, 'mnt')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await untilPrinted(mount, text => text.includes('ready'))
  return mount
}

async function untilPrinted(
  child: ChildProcess,
  enough: (text: string) => boolean,
): Promise<void> {
  let text = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      text += String(chunk)
      if (enough(text)) resolve()
    })
    child.on('close', () => reject(new Error(`podfs ended early: ${text}`)))
  })
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  await exited
}

function measure(rounds: number, once: () => number): number[] {
  return Array.from({ length: rounds }, once)
}

async function measureAsync(
  rounds: number,
  once: () => Promise<number>,
): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) times.push(await once())
  return times
}

function print(what: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): string =>
    (
      sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ??
      0
    ).toFixed(1)
  console.log(
    `${what}: median ${at(0.5)} ms, p90 ${at(0.9)}, p99 ${at(0.99)}, max ${at(1)} (n=${times.length})`,
  )
}

try {
  await main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
