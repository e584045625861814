import { renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { milliseconds, ratioText, summaryText } from '../format.ts'
import { skipped, type Line, type Result, type Row } from '../row.ts'
import { alternate, ratioOf, summarize } from '../statistics.ts'
import { mountCommand, type CommandTree } from '../trees/command.ts'
import { keyName } from '../trees/payload.ts'

const SAVES = 40
const P50_TARGET_MS = 10
const P99_TARGET_MS = 40
const WHAT = 'rename-save of a source to new bytes readable'
/** What people have today; measured on this kind of machine, not by this benchmark. */
const CITED = "consul-template's 1.3 s, a kubelet's 2 to 80 s"

/** The whole of podfs: watcher, store, projection, writer, file server. */
export const saveToRead: Row = { name: 'save-to-read', measure }

async function measure(bench: Bench): Promise<Result> {
  const target = `p50 under ${P50_TARGET_MS} ms, p99 under ${P99_TARGET_MS} ms`
  const fuse = await mountCommand(bench, { keys: 10 })
  bench.defer(() => fuse.close())
  let directory: CommandTree
  try {
    directory = await mountCommand(bench, { keys: 10, backend: 'dir' })
  } catch (error) {
    const { median, p99 } = summarize([await saveAndRead(bench, fuse)])
    return {
      lines: [
        fuseLine(median, p99, target, CITED),
        skipped(WHAT, 'the dir backend', '-', (error as Error).message),
      ],
    }
  }
  bench.defer(() => directory.close())
  const times = await alternate(bench.rounds, {
    fuse: () => saveAndRead(bench, fuse),
    directory: () => saveAndRead(bench, directory),
  })
  const { median, p99 } = summarize(times.fuse)
  const ratio = ratioOf(times.fuse, times.directory)
  return {
    lines: [
      fuseLine(
        median,
        p99,
        target,
        `${CITED}; the dir backend: ${summaryText(summarize(times.directory), milliseconds)}`,
        `; ${ratioText(ratio)} of dir`,
      ),
    ],
  }
}

function fuseLine(
  median: number,
  p99: number,
  target: string,
  against: string,
  more = '',
): Line {
  return {
    what: WHAT,
    against,
    target,
    figure: `${summaryText({ median, p99, count: 0 }, milliseconds)}${more}`,
    met: median < P50_TARGET_MS && p99 < P99_TARGET_MS,
  }
}

let saves = 0

/** Milliseconds from the rename until another process has read the new bytes. */
async function saveAndRead(bench: Bench, tree: CommandTree): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < SAVES; i++) {
    const text = `save ${saves++};`
    const reader = await bench.client.awaitText(text, [
      path.join(tree.path, keyName(0)),
    ])
    // Saves must not come in step with anything that podfs does.
    await delay(20 + (i % 7) * 5)
    writeFileSync(path.join(tree.source, '.key.new'), text.padEnd(1024, '.'))
    const start = process.hrtime.bigint()
    renameSync(
      path.join(tree.source, '.key.new'),
      path.join(tree.source, keyName(0)),
    )
    times.push(Number((await reader.next()) - start) / 1e6)
    await reader.close()
  }
  return times
}
