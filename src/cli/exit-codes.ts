import { constants } from 'node:os'
import type { FailureKind } from '../util/failure.ts'

/** The whole table; docs/cli.md says the same. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  platform: 3,
} as const satisfies Record<FailureKind | 'done', number>

/** What a shell sees of a program that a signal ended. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
