import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { untilPrinted, type Bench } from '../bench.ts'
import type { Call, Client } from '../client.ts'
import {
  microseconds,
  milliseconds,
  ratioText,
  summaryText,
} from '../format.ts'
import { pin } from '../pin.ts'
import { skipped, type Line, type Result, type Row } from '../row.ts'
import {
  alternate,
  median,
  ratioOf,
  summarize,
  type Rounds,
} from '../statistics.ts'
import { podManifest, timePlay, timeRun } from '../trees/bench-pod.ts'
import { keyName } from '../trees/payload.ts'
import { preparePodman, type Podman } from '../trees/podman.ts'
import { meetUser, type People, type Person } from '../trees/user.ts'

const RUNS = 3
const STARTS = 5
const CALLS = 10_000
const START_TARGET = 1.3
/** "The same", as far as two rounds of one and the same thing are. */
const READ_TARGET = 1.1
const NOTHING = `an ordinary user's \`podfs run\`, \`podfs mount\` and reads`

/** What it costs to be nobody in particular: root and a user of this machine in turn. */
export const users: Row = { name: 'users', measure }

async function measure(bench: Bench): Promise<Result> {
  let people: People
  try {
    people = await meetUser(bench)
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0] ?? ''
    return { lines: [skipped(NOTHING, "root's", '-', reason)] }
  }
  return {
    lines: [
      ...(await runs(bench, people)),
      await mounts(bench, people),
      ...(await reads(bench, people)),
    ],
  }
}

async function runs(bench: Bench, people: People): Promise<readonly Line[]> {
  const { root, user } = people
  const file = path.join(user.home, 'pod.yaml')
  writeFileSync(file, podManifest(2))
  const by = (person: Person) =>
    repeat(RUNS, () => runPodfs(bench, person, file))
  // What is read from the disk is read only once.
  for (const person of [root, user]) await runPodfs(bench, person, file)
  const times = await alternate(bench.rounds, {
    root: by(root),
    user: by(user),
  })
  const what =
    "an ordinary user's `podfs run` of that Pod, to the first line of both containers"
  return [
    besideRoot(what, times, START_TARGET, milliseconds),
    await besidePodman(bench, people, what, file),
  ]
}

async function besidePodman(
  bench: Bench,
  { user }: People,
  what: string,
  file: string,
): Promise<Line> {
  const against = 'rootless `podman kube play` of the same user'
  const target = 'below it'
  let podman: Podman
  try {
    podman = preparePodman(bench, user)
    await timePlay(podman, file)
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0] ?? ''
    return skipped(what, against, target, reason)
  }
  const times = await alternate(bench.rounds, {
    podfs: repeat(RUNS, () => runPodfs(bench, user, file)),
    podman: repeat(RUNS, () => timePlay(podman, file)),
  })
  const ratio = ratioOf(times.podfs, times.podman)
  return {
    what,
    against: `${against}: ${summaryText(summarize(times.podman), milliseconds)}`,
    target,
    figure: `${summaryText(summarize(times.podfs), milliseconds)}; ${ratioText(ratio)}`,
    met: ratio.median < 1,
  }
}

async function mounts(bench: Bench, people: People): Promise<Line> {
  const by = (person: Person) => {
    const { source, target } = directoriesOf(person, people)
    writeFileSync(path.join(source, 'key'), 'the first byte')
    const client = bench.client.of(person)
    return async (): Promise<number> => {
      const files = [path.join(target, 'key')]
      const reader = await client.awaitText('the first byte', files)
      const start = process.hrtime.bigint()
      const podfs = spawnPodfs(bench, person, 'mount', source, target)
      const took = Number((await reader.next()) - start) / 1e6
      await reader.close()
      await bench.end(podfs)
      return took
    }
  }
  const sides = { root: by(people.root), user: by(people.user) }
  await sides.root()
  await sides.user()
  const times = await alternate(bench.rounds, {
    root: repeat(STARTS, sides.root),
    user: repeat(STARTS, sides.user),
  })
  const what = "an ordinary user's `podfs mount` to the first readable byte"
  return besideRoot(what, times, START_TARGET, milliseconds)
}

/** `file`: what is called on, below the volume. */
const warm: readonly { readonly call: Call; readonly file: string }[] = [
  { call: 'pread', file: keyName(0) },
  { call: 'stat', file: keyName(0) },
  { call: 'readlink', file: keyName(0) },
  { call: 'readdir', file: '..data/' },
]

interface Mounted {
  readonly client: Client
  readonly target: string
}

async function reads(bench: Bench, people: People): Promise<readonly Line[]> {
  const mounted = async (
    person: Person,
    ...options: readonly string[]
  ): Promise<Mounted> => {
    const { source, target } = directoriesOf(person, people)
    for (let key = 0; key < 10; key++)
      writeFileSync(path.join(source, keyName(key)), 'x'.repeat(1024))
    const words = ['mount', ...options, source, target]
    const podfs = spawnPodfs(bench, person, ...words)
    bench.defer(() => bench.end(podfs))
    await untilPrinted(podfs, text => text.includes('ready'))
    // Its server and its readers share one core.
    pin(podfs.pid)
    return { client: bench.client.of(person).pinned, target }
  }
  const config = path.join(people.root.home, 'answering.yaml')
  writeFileSync(config, 'fuse: {answerOpens: true}\n')
  const root = await mounted(people.root)
  const answering = await mounted(people.root, '--config', config)
  const user = await mounted(people.user)
  const calls =
    (call: Call, file: string) =>
    ({ client, target }: Mounted) =>
    () =>
      client.measure(call, CALLS, path.join(target, file))
  const lines: Line[] = [
    await opens(bench, { root, answering, user }, calls('read', keyName(0))),
  ]
  for (const { call, file } of warm) {
    const by = calls(call, file)
    const times = await alternate(bench.rounds, {
      root: by(root),
      user: by(user),
    })
    const what = `${call}, warm, through an ordinary user's mount`
    lines.push(besideRoot(what, times, READ_TARGET, microseconds))
  }
  return lines
}

/** Beside root's that answers opens, too; what root's other one leaves out is told. */
async function opens(
  bench: Bench,
  mounts: Readonly<Record<'root' | 'answering' | 'user', Mounted>>,
  by: (mount: Mounted) => () => Promise<readonly number[]>,
): Promise<Line> {
  const times = await alternate(bench.rounds, {
    root: by(mounts.root),
    answering: by(mounts.answering),
    user: by(mounts.user),
  })
  const unanswered = `${microseconds(median(times.root.flat()))} with opens unanswered`
  const line = besideRoot(
    "open + read + close, warm, through an ordinary user's mount, which answers every open",
    { root: times.answering, user: times.user },
    READ_TARGET,
    microseconds,
  )
  return {
    ...line,
    against: `${line.against} with \`fuse.answerOpens\`; ${unanswered}`,
  }
}

function besideRoot(
  what: string,
  times: { readonly root: Rounds; readonly user: Rounds },
  target: number,
  unit: (value: number) => string,
): Line {
  const ratio = ratioOf(times.user, times.root)
  return {
    what,
    against: `root's: ${summaryText(summarize(times.root), unit)}`,
    target: `at most ${target} x`,
    figure: `${summaryText(summarize(times.user), unit)}; ${ratioText(ratio)}`,
    met: ratio.median <= target,
  }
}

let directories = 0

/** New ones, this person's own. */
function directoriesOf(
  person: Person,
  { user }: People,
): { readonly source: string; readonly target: string } {
  const [source, target] = ['source', 'target'].map(name => {
    const directory = path.join(person.home, `${name}-${directories++}`)
    mkdirSync(directory)
    if (person === user) chownSync(directory, user.uid, user.uid)
    return directory
  }) as [string, string]
  return { source, target }
}

const repeat = (times: number, once: () => Promise<number>) => async () => {
  const all: number[] = []
  for (let time = 0; time < times; time++) all.push(await once())
  return all
}

/** As that person. */
function spawnPodfs(
  bench: Bench,
  { wrapper, podfs }: Person,
  ...args: readonly string[]
) {
  const [program, ...words] = wrapper
  return bench.spawn(program, [...words, bench.node, podfs, ...args], {
    // Its stderr is a countdown.
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

function runPodfs(bench: Bench, person: Person, file: string): Promise<number> {
  return timeRun(() => spawnPodfs(bench, person, 'run', '-f', file), 2)
}
