import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Bench } from '../bench.ts'
import { pin } from '../pin.ts'
import { microseconds, ratioText, summaryText } from '../format.ts'
import { skipped, type Result, type Row } from '../row.ts'
import { alternate, ratioOf, summarize } from '../statistics.ts'
import { buildCServer, mountCServer } from '../trees/c-server.ts'
import { keyName, makePayload } from '../trees/payload.ts'
import { mountPodfs } from '../trees/podfs.ts'

const KEYS = 200
const TARGET = 1.5
const WHAT = 'first read of a cold key'

/** After the kernel has dropped its caches: two look-ups, a READLINK and a READ for each key. */
export const coldRead: Row = { name: 'cold-read', measure }

async function measure(bench: Bench): Promise<Result> {
  const against = 'the C server'
  const target = `at most ${TARGET} x`
  const built = buildCServer(bench)
  if ('reason' in built)
    return { lines: [skipped(WHAT, against, target, built.reason)] }
  const payload = makePayload({ keys: KEYS })
  const podfs = await mountPodfs(bench, payload)
  bench.defer(() => podfs.close())
  pin(podfs.mount.serverPid)
  const server = await mountCServer(bench, built.program, payload, {
    answerOpens: false,
  })
  bench.defer(() => server.close())
  pin(server.pid)

  const files = (tree: string): string[] =>
    Array.from({ length: KEYS }, (_, key) => path.join(tree, keyName(key)))
  const read = (tree: string) => async () => {
    dropCaches()
    return await bench.client.pinned.measureCold(files(tree))
  }
  const sides = { podfs: read(podfs.path), server: read(server.path) }
  // A server that has answered nothing yet has not been compiled yet, either.
  await alternate(1, sides)
  const times = await alternate(bench.rounds, sides)
  const ratio = ratioOf(times.podfs, times.server)
  return {
    lines: [
      {
        what: WHAT,
        against: `${against}: ${summaryText(summarize(times.server), microseconds)}`,
        target,
        figure: `${summaryText(summarize(times.podfs), microseconds)}; ${ratioText(ratio)}`,
        met: ratio.median <= TARGET,
      },
    ],
    distributions: [
      {
        title: 'first open + read + close of a cold key',
        series: [
          { name: 'C server', rounds: times.server },
          { name: 'podfs', rounds: times.podfs },
        ],
      },
    ],
  }
}

/** Pages, names and inodes: an inode with pages is not dropped without them. */
function dropCaches(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '3')
}
