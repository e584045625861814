import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Bench } from '../bench.ts'
import { milliseconds, ratioText, summaryText } from '../format.ts'
import { skipped, type Line, type Result, type Row } from '../row.ts'
import { alternate, median, ratioOf, summarize } from '../statistics.ts'
import { podManifest, timePlay, timeRun } from '../trees/bench-pod.ts'
import { preparePodman, type Podman } from '../trees/podman.ts'

const RUNS = 3
const MANY = 8
const TARGET = 0.5
const CONTAINER_TARGET_MS = 40
const WHAT =
  '`podfs run` of a two-container Pod with a ConfigMap volume, to the first line of both'
const AGAINST = '`podman kube play` of the same Pod'

export const runPod: Row = { name: 'run-pod', measure }

async function measure(bench: Bench): Promise<Result> {
  const two = manifest(bench, 2)
  const many = manifest(bench, MANY)
  const podfs = (file: string, containers: number) =>
    repeat(() => runPodfs(bench, file, containers))
  await runPodfs(bench, two, 2)
  const ours = await alternate(bench.rounds, {
    two: podfs(two, 2),
    many: podfs(many, MANY),
  })
  const each = ours.many.map(
    (round, index) =>
      (median(round) - median(ours.two[index] ?? [])) / (MANY - 2),
  )
  return {
    lines: [
      await againstPodman(bench, two),
      {
        what: 'each further container',
        against: '-',
        target: `under ${CONTAINER_TARGET_MS} ms`,
        figure: `${milliseconds(median(each))} (2: ${summaryText(summarize(ours.two), milliseconds)}; ${MANY}: ${summaryText(summarize(ours.many), milliseconds)})`,
        met: median(each) < CONTAINER_TARGET_MS,
      },
    ],
  }
}

async function againstPodman(bench: Bench, two: string): Promise<Line> {
  const target = `at most ${TARGET} x`
  let podman: Podman
  try {
    podman = preparePodman(bench)
    // Builds podman's own pause image.
    await timePlay(podman, two)
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0] ?? ''
    return skipped(WHAT, AGAINST, target, reason)
  }
  const times = await alternate(bench.rounds, {
    podfs: repeat(() => runPodfs(bench, two, 2)),
    podman: repeat(() => timePlay(podman, two)),
  })
  const ratio = ratioOf(times.podfs, times.podman)
  return {
    what: WHAT,
    against: `${AGAINST}: ${summaryText(summarize(times.podman), milliseconds)}`,
    target,
    figure: `${summaryText(summarize(times.podfs), milliseconds)}; ${ratioText(ratio)}`,
    met: ratio.median <= TARGET,
  }
}

const repeat = (once: () => Promise<number>) => async () => {
  const times: number[] = []
  for (let run = 0; run < RUNS; run++) times.push(await once())
  return times
}

/**
 * Where this variable is set, every start of Node parses all certificates of the machine, and
 * podman's does not.
 */
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env

function runPodfs(
  bench: Bench,
  file: string,
  containers: number,
): Promise<number> {
  const start = () =>
    bench.spawn(
      bench.node,
      [bench.podfs, 'run', '-f', file],
      // Its stderr is a countdown.
      { env, stdio: ['ignore', 'pipe', 'ignore'] },
    )
  return timeRun(start, containers)
}

function manifest(bench: Bench, containers: number): string {
  const file = path.join(bench.directory('pod'), 'pod.yaml')
  writeFileSync(file, podManifest(containers))
  return file
}
