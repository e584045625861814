import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { untilPrinted, type Bench } from '../bench.ts'
import { generationText, keyName } from './payload.ts'
import type { Tree } from './tree.ts'

export type Backend = 'fuse' | 'fuse-native' | 'dir'

export interface CommandTree extends Tree {
  /** The directory that podfs follows. */
  readonly source: string
  /** The daemon. */
  readonly pid: number
}

/**
 * `podfs mount DIR MOUNTPOINT` as a person runs it, with a backend of choice. Throws with the
 * reason where that backend does not work.
 */
export async function mountCommand(
  bench: Bench,
  options: {
    readonly keys: number
    readonly bytes?: number
    readonly backend?: Backend
  },
): Promise<CommandTree> {
  const { keys, bytes = 1024, backend = 'fuse' } = options
  const source = bench.directory('source')
  for (let key = 0; key < keys; key++)
    writeFileSync(
      path.join(source, keyName(key)),
      generationText(0).padEnd(bytes, '.'),
    )
  const target = bench.directory(backend)
  const args = ['mount', '--backend', backend, source, target]
  const podfs = bench.spawnPodfs(...args)
  await untilPrinted(podfs, text => text.includes('ready'))
  return {
    name: `podfs --backend ${backend}`,
    path: target,
    source,
    pid: podfs.pid as number,
    close: () => bench.end(podfs),
  }
}
