import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { AtomicWriter } from '../../src/writer/atomic-writer.ts'
import type { Payload } from '../../src/writer/payload.ts'
import { untilPrinted, type Bench } from '../bench.ts'
import type { Tree } from './tree.ts'

const compiler = 'gcc'
const libraryFinder = 'pkg-config'

/** The path of the built server, or why there is none. */
export function buildCServer(
  bench: Bench,
): { readonly program: string } | { readonly reason: string } {
  const flags = spawnSync(libraryFinder, ['--cflags', '--libs', 'fuse3'], {
    encoding: 'utf8',
  })
  if (flags.status !== 0)
    return { reason: 'no pkg-config or no libfuse3-dev on this machine' }
  const program = path.join(bench.scratch, 'c-server')
  const built = spawnSync(
    compiler,
    [
      '-O2',
      '-o',
      program,
      path.resolve('bench/c/server.c'),
      ...flags.stdout.trim().split(/\s+/),
    ],
    { encoding: 'utf8' },
  )
  if (built.status === 0) return { program }
  return { reason: `gcc failed: ${built.error?.message ?? built.stderr}` }
}

/** A server in C on libfuse 3's low-level API, with a copy of the payload in memory. */
export async function mountCServer(
  bench: Bench,
  program: string,
  payload: Payload,
  options: { readonly answerOpens: boolean },
): Promise<Tree & { readonly pid: number | undefined }> {
  const source = bench.directory('source')
  await new AtomicWriter(source).write(payload)
  const target = bench.directory('cfuse')
  const server = bench.spawn(
    program,
    [source, target, options.answerOpens ? 'answer-opens' : 'no-opens'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await untilPrinted(server, text => text.includes('ready'))
  return {
    name: 'C server (libfuse 3)',
    path: target,
    pid: server.pid,
    close: async () => {
      const closed = once(server, 'close')
      server.kill('SIGTERM')
      await closed
    },
  }
}
