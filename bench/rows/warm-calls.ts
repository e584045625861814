import path from 'node:path'
import type { Bench } from '../bench.ts'
import type { Call } from '../client.ts'
import { microseconds, ratioText, summaryText } from '../format.ts'
import { skipped, type Line, type Result, type Row } from '../row.ts'
import { ratioOf, summarize } from '../statistics.ts'
import { keyName } from '../trees/payload.ts'
import {
  alternateWarm,
  besideServer,
  mountWarmTrees,
} from '../trees/warm-trees.ts'

const CALLS = 20_000
const TARGET = 1.2

/** `file`: what is called on, below the volume. */
const warm: readonly { readonly call: Call; readonly file: string }[] = [
  { call: 'stat', file: keyName(0) },
  { call: 'readlink', file: keyName(0) },
  { call: 'readdir', file: '..data/' },
  { call: 'pread', file: keyName(0) },
  { call: 'mmap', file: keyName(0) },
]

/** All of these are answered by the kernel's caches. */
export const warmCalls: Row = { name: 'warm-calls', measure }

async function measure(bench: Bench): Promise<Result> {
  const trees = await mountWarmTrees(bench)
  const lines: Line[] = []
  const target = `at most ${TARGET} x`
  for (const { call, file } of warm) {
    const what = `${call}, warm`
    if (call === 'mmap' && bench.client.language === 'Node') {
      lines.push(skipped(what, 'tmpfs', target, 'Node has no mmap'))
      continue
    }
    const times = await alternateWarm(bench, trees, tree =>
      bench.client.measure(call, CALLS, path.join(tree, file)),
    )
    const ratio = ratioOf(times.podfs, times.tmpfs)
    lines.push({
      what,
      against: `tmpfs: ${summaryText(summarize(times.tmpfs), microseconds)}`,
      target,
      figure: `${summaryText(summarize(times.podfs), microseconds)}; ${ratioText(ratio)}${besideServer(times.podfs, times.server)}`,
      met: ratio.median <= TARGET,
    })
  }
  return { lines }
}
