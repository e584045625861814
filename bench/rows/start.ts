import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Bench } from '../bench.ts'
import { milliseconds, ratioText, summaryText } from '../format.ts'
import type { Result, Row } from '../row.ts'
import { alternate, ratioOf, summarize } from '../statistics.ts'

const STARTS = 5
const TARGET = 3

/** How long a person waits, in units of the least that any Node program takes. */
export const start: Row = { name: 'start', measure }

async function measure(bench: Bench): Promise<Result> {
  const source = bench.directory('source')
  writeFileSync(path.join(source, 'key'), 'the first byte')
  const mountpoint = bench.directory('mnt')

  const startMount = async (): Promise<number> => {
    const reader = await bench.client.awaitText('the first byte', [
      path.join(mountpoint, 'key'),
    ])
    const start = process.hrtime.bigint()
    const podfs = bench.spawnPodfs('mount', source, mountpoint)
    const took = Number((await reader.next()) - start) / 1e6
    await reader.close()
    await bench.end(podfs)
    return took
  }
  const startNode = async (): Promise<number> => {
    const start = process.hrtime.bigint()
    spawnSync(bench.node, ['-e', '0'])
    return Number(process.hrtime.bigint() - start) / 1e6
  }
  const repeat = (once: () => Promise<number>) => async () => {
    const times: number[] = []
    for (let i = 0; i < STARTS; i++) times.push(await once())
    return times
  }
  const sides = { podfs: repeat(startMount), node: repeat(startNode) }
  // The files are read from the disk only once.
  await startMount()
  const times = await alternate(bench.rounds, sides)
  const ratio = ratioOf(times.podfs, times.node)
  return {
    lines: [
      {
        what: '`podfs mount` to the first readable byte',
        against: `\`node -e 0\`: ${summaryText(summarize(times.node), milliseconds)}`,
        target: `at most ${TARGET} x`,
        figure: `${summaryText(summarize(times.podfs), milliseconds)}; ${ratioText(ratio)}`,
        met: ratio.median <= TARGET,
      },
    ],
  }
}
