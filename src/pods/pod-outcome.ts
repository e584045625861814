import type { Pod } from '../api/types.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { failureText } from './pod-notices.ts'

export interface PodOutcome {
  /** As it was last started. */
  readonly pod: Pod
  readonly status: PodStatus
  /** It went because it was no longer wanted: then its end is no failure. */
  readonly deleted: boolean
  /** Of a Job that has failed, whatever its last Pod did: what is to be said. */
  readonly failure?: string
}

/** What is to be said of the end of a Pod, or of its Job; undefined: it was no failure. */
export function failureOf(outcome: PodOutcome): string | undefined {
  const { pod, status, deleted, failure } = outcome
  if (deleted) return undefined
  if (failure !== undefined) return failure
  return status.phase === 'Succeeded' ? undefined : failureText(pod, status)
}
