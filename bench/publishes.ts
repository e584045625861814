/*
 * `podfs serve` through very many publications: `npm run bench:publishes [COUNT]`.
 *
 * One ConfigMap of ten keys changes COUNT times (default 100,000), each time as soon as the
 * change before can be read. Printed is the least that each process needs in each tenth of the
 * way: its memory (PSS), and of the journals what they take on their tmpfs. What leaks needs
 * more with each tenth.
 *
 * Prints, asserts nothing.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as turn } from 'node:timers/promises'
import { describeMachine } from './machine.ts'
import { processesBelow, pssOf } from './memory.ts'

const count = Number(process.argv[2] ?? 100_000)
const keys = 10
const samples = 200
const printed = 10

async function main(): Promise<void> {
  for (const line of describeMachine('this process')) console.log(line)
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-publishes-'))
  const root = path.join(directory, 'root')
  const manifests = path.join(directory, 'manifests')
  mkdirSync(manifests)
  const save = (value: string): void => {
    const file = path.join(directory, 'next.yaml')
    writeFileSync(file, configMap(value))
    renameSync(file, path.join(manifests, 'settings.yaml'))
  }
  save('0')
  const podfs = spawn(
    process.execPath,
    [path.resolve('dist/podfs.cjs'), 'serve', '-f', manifests, '--root', root],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    await once(createInterface({ input: podfs.stdout }), 'line')
    const last = path.join(root, `default/configmaps/settings/key-${keys - 1}`)
    const taken: Sample[] = []
    const began = performance.now()
    for (let i = 1; i <= count; i++) {
      save(String(i))
      while (read(last) !== String(i)) await turn()
      if (i % Math.ceil(count / samples) === 0)
        taken.push({ published: i, memory: memoryOf(podfs.pid ?? 0) })
    }
    const seconds = (performance.now() - began) / 1000
    console.log(
      `${count} publications in ${seconds.toFixed(0)} s, ${((seconds * 1000) / count).toFixed(1)} ms each`,
    )
    print(taken)
  } finally {
    podfs.kill('SIGTERM')
    if (podfs.exitCode === null) await once(podfs, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * '' when the generation went between the links that lead to the file and the file: without a
 * pause between two changes that happens, here as on a node.
 */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return ''
  }
}

interface Sample {
  readonly published: number
  /** MiB of each thing that has memory. */
  readonly memory: ReadonlyMap<string, number>
}

function memoryOf(daemon: number): ReadonlyMap<string, number> {
  const memory = new Map<string, number>()
  let journals = 0
  for (const pid of processesBelow(daemon)) {
    const role = roleOf(pid)
    if (role === 'keeper') journals = Math.max(journals, journalsOf(pid))
    else memory.set(role, (memory.get(role) ?? 0) + pssOf([pid]))
  }
  memory.set('journals', journals)
  memory.set(
    'all',
    [...memory.values()].reduce((sum, each) => sum + each, 0),
  )
  return memory
}

function roleOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  if (words[0]?.endsWith('sh')) return 'keeper'
  if (words.includes('standby')) return 'standby'
  return words.includes('serve') ? 'daemon' : 'file server'
}

/** What the unlinked files that a keeper holds take, in MiB. */
function journalsOf(keeper: number): number {
  const descriptors = `/proc/${keeper}/fd`
  return readdirSync(descriptors)
    .map(name => statSync(path.join(descriptors, name)))
    .filter(file => file.isFile() && file.nlink === 0)
    .reduce((sum, { blocks }) => sum + (blocks * 512) / 2 ** 20, 0)
}

/** The least of each tenth: what V8 has not cleared up yet comes and goes by dozens of MiB. */
function print(taken: readonly Sample[]): void {
  const names = [...(taken.at(-1)?.memory.keys() ?? [])]
  const row = (cells: readonly string[]): void =>
    console.log(`| ${cells.join(' | ')} |`)
  const step = taken.length / printed
  const tenths = Array.from({ length: printed }, (_, i) =>
    taken.slice(Math.round(i * step), Math.round((i + 1) * step)),
  )
  const least = (tenth: readonly Sample[], name: string): number =>
    Math.min(...tenth.map(({ memory }) => memory.get(name) ?? Infinity))
  row(['published', ...names.map(name => `${name}, MiB`)])
  row(['---', ...names.map(() => '---')])
  for (const tenth of tenths)
    row([
      `up to ${tenth.at(-1)?.published}`,
      ...names.map(name => least(tenth, name).toFixed(1)),
    ])
  const [, second = [], ...others] = tenths
  row([
    'the last tenth less the second',
    ...names.map(name =>
      (least(others.at(-1) ?? [], name) - least(second, name)).toFixed(1),
    ),
  ])
}

function configMap(value: string): string {
  const data = Array.from(
    { length: keys },
    (_, key) => `  key-${key}: "${value}"\n`,
  )
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n${data.join('')}`
}

await main()
