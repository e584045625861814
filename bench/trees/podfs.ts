import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { mountFuse, type FuseMount } from '../../src/fuse/mount/mount.ts'
import type { Logger } from '../../src/util/logger.ts'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import type { Payload } from '../../src/writer/payload.ts'
import type { Bench } from '../bench.ts'
import type { WritableTree } from './tmpfs.ts'

export interface PodfsTree extends WritableTree {
  readonly mount: FuseMount
}

/** Only warnings are worth a line here. */
const logger = {
  warn: (fields: unknown, message: string) =>
    console.error('podfs:', message, fields),
  info: () => undefined,
  debug: () => undefined,
  error: (fields: unknown, message: string) =>
    console.error('podfs:', message, fields),
} as unknown as Logger

/**
 * A mount of podfs with its server and keeper; this process is its daemon, so a row can
 * publish and ask for request counts. Readers see the read-only bind, as in the product.
 */
export async function mountPodfs(
  bench: Bench,
  payload: Payload,
  options: { readonly answerOpens: boolean } = { answerOpens: false },
): Promise<PodfsTree> {
  const mount = await mountFuse({
    directory: bench.directory('runtime'),
    allowOther: false,
    answerOpens: options.answerOpens,
    lifetime: 'run',
    logger,
  })
  const root = path.join(mount.directory, 'volume')
  mkdirSync(root, { mode: 0o700 })
  const writer = new AtomicWriter(root, { fill: mount.fill })
  await writer.write(payload)
  // Until the control connection is there, there are no counts.
  while ((await mount.stats())['nodes'] === undefined) await delay(10)
  const target = bench.directory('podfs')
  await mount.bind('volume', target)
  return {
    name: options.answerOpens ? 'podfs, opens answered' : 'podfs',
    path: target,
    writer,
    mount,
    opens: async () => (await mount.stats())['OPEN'] ?? 0,
    close: async () => {
      await mount.unbind(target, { lazy: true })
      await mount.stop()
    },
  }
}
