import { goQuote } from '../../../api/go-quote.ts'
import { aborted } from '../../../util/aborted.ts'
import { formatGoDuration } from '../../../util/go-duration.ts'
import type { HandlerTarget } from '../handler-target.ts'
import { failure, success, type ProbeOutcome } from './probe-outcome.ts'

/**
 * A command that outlives its time-out, which the kernel may let it, is not joined by another one
 * of the same probe: those time out until it is gone.
 */
export function oneAtATime(exec: HandlerTarget['exec']): HandlerTarget['exec'] {
  let isRunning = false
  return async (argv, abort) => {
    if (isRunning) return await new Promise<never>(() => {})
    isRunning = true
    try {
      return await exec(argv, abort)
    } finally {
      isRunning = false
    }
  }
}

/**
 * Runs a command in the container (pkg/probe/exec/exec.go): success is exit code 0 before
 * `abort`, which comes after `timeoutMs`. A command that cannot be run at all is an error. It is
 * killed at the time-out, and not waited for: the kernel may keep it for ever. Never rejects.
 */
export async function probeExec(
  command: readonly string[],
  exec: HandlerTarget['exec'],
  timeoutMs: number,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
  try {
    const result = await Promise.race([exec(command, abort), aborted(abort)])
    if (result === undefined || abort.aborted)
      return failure(
        `command timed out: ${goQuote(command.join(' '))} timed out after ${formatGoDuration(timeoutMs)}`,
      )
    const { exitCode, output, notStarted = false } = result
    if (notStarted)
      return { outcome: 'error', state: 'unknown', message: output }
    return exitCode === 0 ? success() : failure(output)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { outcome: 'error', state: 'unknown', message }
  }
}
