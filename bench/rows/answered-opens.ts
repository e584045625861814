import path from 'node:path'
import type { Bench } from '../bench.ts'
import { pin } from '../pin.ts'
import { microseconds, ratioText, summaryText } from '../format.ts'
import { skipped, type Distribution, type Line } from '../row.ts'
import type { Result, Row } from '../row.ts'
import { alternate, ratioOf, summarize } from '../statistics.ts'
import { buildCServer, mountCServer } from '../trees/c-server.ts'
import { mountCommand, type CommandTree } from '../trees/command.ts'
import { keyName, makePayload } from '../trees/payload.ts'
import { mountPodfs } from '../trees/podfs.ts'
import type { Tree } from '../trees/tree.ts'

const CALLS = 10_000
const WHAT = 'open + read + close, warm, every open answered and counted'
const C_TARGET = 1.2
const NATIVE_TARGET = 5

/** What one round trip to the server costs, in each language and with each library. */
export const answeredOpens: Row = { name: 'answered-opens', measure }

async function measure(bench: Bench): Promise<Result> {
  const podfs = await mountPodfs(bench, makePayload({ keys: 10 }), {
    answerOpens: true,
  })
  bench.defer(() => podfs.close())
  pin(podfs.mount.serverPid)
  const results = [
    await againstC(bench, podfs),
    await againstNative(bench, podfs),
  ]
  return {
    lines: results.map(({ line }) => line),
    distributions: results.flatMap(({ distributions }) => distributions),
  }
}

interface Comparison {
  readonly line: Line
  readonly distributions: readonly Distribution[]
}

async function againstC(bench: Bench, podfs: Tree): Promise<Comparison> {
  const against = "a C server on libfuse 3's low-level API"
  const target = `at most ${C_TARGET} x`
  const built = buildCServer(bench)
  if ('reason' in built)
    return {
      line: skipped(WHAT, against, target, built.reason),
      distributions: [],
    }
  const server = await mountCServer(
    bench,
    built.program,
    makePayload({ keys: 10 }),
    { answerOpens: true },
  )
  bench.defer(() => server.close())
  pin(server.pid)
  const opensBefore = (await podfs.opens?.()) ?? 0
  const times = await alternateReads(bench, podfs, server)
  const opens = ((await podfs.opens?.()) ?? 0) - opensBefore
  // As many as were measured, and a tenth as warm-up.
  if (opens < bench.rounds * CALLS)
    throw new Error(`only ${opens} opens were answered`)
  const ratio = ratioOf(times.podfs, times.other)
  return {
    line: {
      what: WHAT,
      against: `${against}: ${summaryText(summarize(times.other), microseconds)}`,
      target,
      figure: `${summaryText(summarize(times.podfs), microseconds)}; ${ratioText(ratio)}; ${opens} opens counted`,
      met: ratio.median <= C_TARGET,
    },
    distributions: [
      {
        title: 'open + read + close, warm, every open answered',
        series: [
          { name: 'C server', rounds: times.other },
          { name: 'podfs', rounds: times.podfs },
        ],
      },
    ],
  }
}

async function againstNative(bench: Bench, podfs: Tree): Promise<Comparison> {
  const against = 'the fuse-native backend'
  const target = `at least ${NATIVE_TARGET} x faster`
  let native: CommandTree
  try {
    native = await mountCommand(bench, { keys: 10, backend: 'fuse-native' })
  } catch (error) {
    const reason = (error as Error).message
    return { line: skipped(WHAT, against, target, reason), distributions: [] }
  }
  bench.defer(() => native.close())
  pin(native.pid)
  const times = await alternateReads(bench, podfs, native)
  const ratio = ratioOf(times.other, times.podfs)
  return {
    line: {
      what: WHAT,
      against: `${against}: ${summaryText(summarize(times.other), microseconds)}`,
      target,
      figure: `${summaryText(summarize(times.podfs), microseconds)}; ${ratioText(ratio)} faster`,
      met: ratio.median >= NATIVE_TARGET,
    },
    distributions: [
      {
        title: 'the same through fuse-native',
        series: [{ name: 'fuse-native', rounds: times.other }],
      },
    ],
  }
}

async function alternateReads(bench: Bench, podfs: Tree, other: Tree) {
  const read = (tree: Tree) => () =>
    bench.client.pinned.measure('read', CALLS, path.join(tree.path, keyName(0)))
  return await alternate(bench.rounds, {
    podfs: read(podfs),
    other: read(other),
  })
}
