import { setTimeout as delay } from 'node:timers/promises'
import type { Bench } from '../bench.ts'
import { milliseconds, ratioText, summaryText } from '../format.ts'
import type { Result, Row } from '../row.ts'
import { alternate, ratioOf, summarize } from '../statistics.ts'
import { makePayload } from '../trees/payload.ts'
import { mountPodfs } from '../trees/podfs.ts'
import { mountTmpfs, type WritableTree } from '../trees/tmpfs.ts'

const KEYS = 10
const PUBLICATIONS = 60
const TARGET = 5
const P99_TARGET_MS = 10

/** From the payload to the event that makes programs reload, seen by another process. */
export const publish: Row = { name: 'publish', measure }

async function measure(bench: Bench): Promise<Result> {
  let generation = 0
  const makeNext = () => makePayload({ keys: KEYS, generation: generation++ })
  const podfs = await mountPodfs(bench, makeNext())
  bench.defer(() => podfs.close())
  const tmpfs = await mountTmpfs(bench, makeNext())
  bench.defer(() => tmpfs.close())

  const publishTo = (tree: WritableTree) => async () => {
    const watcher = await bench.client.watch(tree.path)
    const times: number[] = []
    for (let i = 0; i < PUBLICATIONS; i++) {
      const payload = makeNext()
      const start = process.hrtime.bigint()
      const written = tree.writer.write(payload)
      const seen = await watcher.next()
      times.push(Number(seen - start) / 1e6)
      await written
      await delay(5)
    }
    await watcher.close()
    return times
  }
  const sides = { podfs: publishTo(podfs), tmpfs: publishTo(tmpfs) }
  // The first generations are written by code that V8 has not compiled yet.
  await alternate(1, sides)
  const requestsBefore = await podfs.mount.stats()
  const times = await alternate(bench.rounds, sides)
  const requests = await podfs.mount.stats()
  const perPublication = (name: string): number =>
    ((requests[name] ?? 0) - (requestsBefore[name] ?? 0)) /
    (bench.rounds * PUBLICATIONS)
  const counts = Object.keys(requests)
    .filter(name => name === name.toUpperCase() && perPublication(name) >= 0.5)
    .map(name => `${name} ${Math.round(perPublication(name))}`)

  const ratio = ratioOf(times.podfs, times.tmpfs)
  const summary = summarize(times.podfs)
  console.log(`requests for each publication: ${counts.join(', ')}`)
  return {
    lines: [
      {
        what: `publish a ${KEYS}-key generation, journal included (payload to MOVED_TO ..data seen)`,
        against: `the same writer on tmpfs: ${summaryText(summarize(times.tmpfs), milliseconds)}`,
        target: `at most ${TARGET} x; p99 under ${P99_TARGET_MS} ms`,
        figure: `${summaryText(summary, milliseconds)}; ${ratioText(ratio)}; requests: ${counts.join(', ')}`,
        met: ratio.median <= TARGET && summary.p99 < P99_TARGET_MS,
      },
    ],
  }
}
