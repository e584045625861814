import { spawn } from 'node:child_process'
import type {
  RendererCommand,
  RendererOutcome,
  RunRenderer,
} from '../sources/rendered/rendering.ts'
import type { Clock } from '../util/clock.ts'
import { maxFileBytes, tooLargeWords } from '../util/read-bounded.ts'
import { hasCode } from '../util/error-code.ts'
import { sendSignal } from '../linux/send-signal.ts'

/** A kustomization may fetch others; kustomize itself gives git 27 s for each. */
const longestMs = 120_000
const maxWordsBytes = 65_536

/**
 * Runs kubectl, kustomize or helm with nothing on its standard input. What it prints, Secrets
 * among it, comes through a pipe and stays in memory. Ends it, and what it has started, when it
 * takes more than two minutes, prints more than a manifest may have, or `abort` says so.
 */
export function rendererBy(clock: Clock): RunRenderer {
  return async (command, abort) => await run(command, clock, abort)
}

async function run(
  { program, args }: RendererCommand,
  clock: Clock,
  abort: AbortSignal,
): Promise<RendererOutcome> {
  const child = spawn(program, args, {
    // A group of its own, for its end; and a Ctrl-C at the terminal is for podfs to handle.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let why: string | undefined
  const end = (reason: string): void => {
    why ??= reason
    if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL')
  }
  const onAbort = (): void => end('ended, because podfs ends')
  abort.addEventListener('abort', onAbort)
  if (abort.aborted) onAbort()
  const timer = clock.after(longestMs, () =>
    end(`not done after ${longestMs / 1000} s`),
  )
  const output: Buffer[] = []
  const words: Buffer[] = []
  let size = 0
  let wordsSize = 0
  // It has no streams when there was no descriptor left for one; `error` comes then.
  const streams = child as Partial<Pick<typeof child, 'stdout' | 'stderr'>>
  streams.stdout?.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= maxFileBytes) output.push(chunk)
    else end(tooLargeWords({ size: undefined }, maxFileBytes))
  })
  streams.stderr?.on('data', (chunk: Buffer) => {
    wordsSize += chunk.length
    if (wordsSize <= maxWordsBytes) words.push(chunk)
  })
  try {
    return await new Promise(resolve => {
      child.on('error', error =>
        resolve(
          // EACCES: PATH has a directory that this user may not enter, as execvp(3) says it.
          hasCode(error, 'ENOENT', 'EACCES')
            ? { kind: 'missing' }
            : { kind: 'failed', words: error.message },
        ),
      )
      child.on('close', (code, signal) => {
        const said = Buffer.concat(words).toString()
        if (why === undefined && code === 0)
          resolve({
            kind: 'rendered',
            output: Buffer.concat(output),
            words: said,
          })
        else
          resolve({
            kind: 'failed',
            words: why ?? (said || `ended by ${signal ?? `exit code ${code}`}`),
          })
      })
    })
  } finally {
    timer.cancel()
    abort.removeEventListener('abort', onAbort)
  }
}
