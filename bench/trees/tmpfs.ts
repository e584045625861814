import { execFileSync } from 'node:child_process'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import type { Payload } from '../../src/writer/payload.ts'
import type { Bench } from '../bench.ts'
import type { Tree } from './tree.ts'

export interface WritableTree extends Tree {
  readonly writer: AtomicWriter
}

/** What a kubelet makes for a Secret: a tmpfs of its own, with the same writer. */
export async function mountTmpfs(
  bench: Bench,
  payload: Payload,
): Promise<WritableTree> {
  const path = bench.directory('tmpfs')
  execFileSync('mount', ['-t', 'tmpfs', 'podfs-bench', path])
  const writer = new AtomicWriter(path)
  await writer.write(payload)
  return {
    name: 'tmpfs',
    path,
    writer,
    close: async () => {
      execFileSync('umount', ['-l', path])
    },
  }
}
