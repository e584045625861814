import type { Bench } from '../bench.ts'
import { microseconds } from '../format.ts'
import { alternate, median, ratioOf, type Rounds } from '../statistics.ts'
import { buildCServer, mountCServer } from './c-server.ts'
import { makePayload } from './payload.ts'
import { mountPodfs, type PodfsTree } from './podfs.ts'
import { mountTmpfs } from './tmpfs.ts'
import type { Tree } from './tree.ts'

export interface WarmTrees {
  readonly podfs: PodfsTree
  readonly tmpfs: Tree
  /** With the same time-outs and caches; undefined where it cannot be built. */
  readonly server: Tree | undefined
}

/**
 * The same ten keys in podfs, on a tmpfs, and in the C server. No request of a warm call
 * reaches either server, so what podfs and the C server share is the kernel's FUSE, and only
 * what is between them is podfs's own.
 */
export async function mountWarmTrees(bench: Bench): Promise<WarmTrees> {
  const payload = makePayload({ keys: 10 })
  const podfs = await mountPodfs(bench, payload)
  bench.defer(() => podfs.close())
  const tmpfs = await mountTmpfs(bench, payload)
  bench.defer(() => tmpfs.close())
  const built = buildCServer(bench)
  if ('reason' in built) {
    console.log(`SKIPPED: the C server beside podfs: ${built.reason}`)
    return { podfs, tmpfs, server: undefined }
  }
  const server = await mountCServer(bench, built.program, payload, {
    answerOpens: false,
  })
  bench.defer(() => server.close())
  return { podfs, tmpfs, server }
}

/** The same measurement in each of them; an empty one where there is no C server. */
export async function alternateWarm(
  bench: Bench,
  { podfs, tmpfs, server }: WarmTrees,
  measure: (tree: string) => Promise<number[]>,
) {
  return await alternate(bench.rounds, {
    podfs: () => measure(podfs.path),
    tmpfs: () => measure(tmpfs.path),
    server: async () => (server === undefined ? [] : measure(server.path)),
  })
}

/** `; 1.01 x of the C server's 0.71 µs`, or nothing without one. */
export function besideServer(podfs: Rounds, server: Rounds): string {
  if (server.flat().length === 0) return ''
  const ratio = ratioOf(podfs, server).median.toFixed(2)
  return `; ${ratio} x of the C server's ${microseconds(median(server.flat()))}`
}
