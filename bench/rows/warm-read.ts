import path from 'node:path'
import type { Bench } from '../bench.ts'
import { microseconds, ratioText, summaryText } from '../format.ts'
import type { Result, Row } from '../row.ts'
import { ratioOf, summarize } from '../statistics.ts'
import { keyName } from '../trees/payload.ts'
import {
  alternateWarm,
  besideServer,
  mountWarmTrees,
} from '../trees/warm-trees.ts'

const CALLS = 20_000
const COUNTED_READS = 100_000
const TARGET = 1.4

/** The fast way: OPEN is unanswered, and a warm read never reaches the server. */
export const warmRead: Row = { name: 'warm-read', measure }

async function measure(bench: Bench): Promise<Result> {
  const trees = await mountWarmTrees(bench)
  const { podfs } = trees

  const times = await alternateWarm(bench, trees, tree =>
    bench.client.measure('read', CALLS, path.join(tree, keyName(0))),
  )
  const ratio = ratioOf(times.podfs, times.tmpfs)

  const before = requestsOf(await podfs.mount.stats())
  await bench.client.measure(
    'read',
    COUNTED_READS,
    path.join(podfs.path, keyName(0)),
  )
  const requests = requestsOf(await podfs.mount.stats()) - before

  return {
    lines: [
      {
        what: 'open + read + close of a key through its two symlinks, warm, OPEN unanswered',
        against: `tmpfs: ${summaryText(summarize(times.tmpfs), microseconds)}`,
        target: `at most ${TARGET} x`,
        figure: `${summaryText(summarize(times.podfs), microseconds)}; ${ratioText(ratio)}${besideServer(times.podfs, times.server)}`,
        met: ratio.median <= TARGET,
      },
      {
        what: `requests that reach the server in ${COUNTED_READS.toLocaleString('en')} warm reads, OPEN unanswered`,
        against: '-',
        target: '0',
        figure: String(requests),
        met: requests === 0,
      },
    ],
    distributions: [
      {
        title: 'open + read + close, warm, OPEN unanswered',
        series: [
          { name: 'tmpfs', rounds: times.tmpfs },
          { name: 'podfs', rounds: times.podfs },
          { name: 'C server', rounds: times.server },
        ].filter(({ rounds }) => rounds.flat().length > 0),
      },
    ],
  }
}

function requestsOf(stats: Readonly<Record<string, number>>): number {
  return Object.entries(stats)
    .filter(([name]) => name === name.toUpperCase())
    .reduce((sum, [, count]) => sum + count, 0)
}
