import { constants } from 'node:os'
import type { ExitStatus } from './container-runtime.ts'

/** The one place where a wait status becomes what Kubernetes shows. */
export function toExitStatus(
  code: number | null,
  signal: NodeJS.Signals | null,
): ExitStatus {
  if (signal !== null)
    return { exitCode: 128 + constants.signals[signal], signal }
  // Neither: the process was never started.
  return { exitCode: code ?? 126 }
}
