import { finished } from 'node:stream/promises'
import type { Readable } from 'node:stream'

import type { OutputStream } from './output-lines.ts'
import type {
  ExitStatus,
  RunningContainer,
} from '../sandbox/container-runtime.ts'

/** One run of one container, with everything that has to end before it has. */
export interface Instance {
  readonly container: RunningContainer
  /** Resolves when the container has gone and its end is written down. */
  readonly gone: Promise<void>
  /** Resolves when the last of its output was handed on. */
  readonly drained: Promise<void>
}

export function watchInstance(
  container: RunningContainer,
  handlers: {
    readonly onOutput: (stream: OutputStream, chunk: Buffer) => void
    readonly onOutputEnd: () => void
    readonly onExit: (status: ExitStatus) => void
    /** The run-time lost it. */
    readonly onLost: (error: unknown) => void
  },
): Instance {
  container.stdout.on('data', chunk => handlers.onOutput('stdout', chunk))
  container.stderr.on('data', chunk => handlers.onOutput('stderr', chunk))
  const drained = Promise.all([
    ended(container.stdout),
    ended(container.stderr),
  ]).then(handlers.onOutputEnd)
  const gone = container.exited.then(handlers.onExit, (error: unknown) => {
    handlers.onLost(error)
    handlers.onExit({ exitCode: 137 })
  })
  return { container, gone, drained }
}

/** A stream that breaks has ended too. */
async function ended(stream: Readable): Promise<void> {
  await finished(stream, { writable: false }).catch(() => undefined)
}
