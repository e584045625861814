import {
  backoffDelay,
  nextBackoff,
  type BackoffEntry,
  type BackoffOptions,
} from '../../util/backoff.ts'
import type { ExitStatus } from '../sandbox/container-runtime.ts'

/** The kubelet's (pkg/kubelet/kubelet.go; docs/kubernetes.md#restarts-and-back-off). */
const crashLoopBackoff: BackoffOptions = {
  baseMs: 10_000,
  maxMs: 300_000,
  resetAfterMs: 600_000,
}

/** A container could not be prepared: it is looked at again after this, or on a wake. */
export const configRetryMs = 10_000

/**
 * What the runner remembers of one container of the Pod; status and plan are computed from
 * it. Of instances that ended only the newest is kept, as a kubelet does.
 */
export interface ContainerRecord {
  readonly running?: RunningInstance
  readonly dead?: DeadInstance
  readonly restartCount: number
  /** Why it does not run: set by a start that failed and by the back-off. */
  readonly failure?: StartFailure
  readonly backoff?: BackoffEntry
}

export interface RunningInstance {
  readonly containerID: string
  readonly startedAt: number
}

export interface DeadInstance {
  readonly containerID: string
  readonly exitCode: number
  readonly reason: string
  readonly message?: string
  readonly startedAt: number
  readonly finishedAt: number
}

export interface StartFailure {
  readonly reason:
    | 'CreateContainerConfigError'
    | 'CreateContainerError'
    | 'ErrImagePull'
    | 'RunContainerError'
    | 'PostStartHookError'
    | 'CrashLoopBackOff'
  readonly message: string
  /** Only where no instance came to be: not before this time is it tried again. */
  readonly retryAt?: number
}

export const newRecord: ContainerRecord = { restartCount: 0 }

/** Whether any instance ever came to be. */
export function hasStarted(record: ContainerRecord): boolean {
  return record.running !== undefined || record.dead !== undefined
}

export function recordStarted(
  record: ContainerRecord,
  containerID: string,
  now: number,
): ContainerRecord {
  const { failure: _, ...rest } = countStart(record, now)
  return { ...rest, running: { containerID, startedAt: now } }
}

export function recordExited(
  record: ContainerRecord,
  { exitCode }: ExitStatus,
  now: number,
): ContainerRecord {
  const { running, ...rest } = record
  if (running === undefined) return record
  const reason = exitCode === 0 ? 'Completed' : 'Error'
  return { ...rest, dead: { ...running, exitCode, reason, finishedAt: now } }
}

/**
 * The run-time could not start it: that counts as an instance that ended with 128 and began at
 * the epoch (docs/kubernetes.md#container-states).
 */
export function recordStartError(
  record: ContainerRecord,
  containerID: string,
  message: string,
  now: number,
): ContainerRecord {
  const dead: DeadInstance = {
    containerID,
    exitCode: 128,
    reason: 'StartError',
    message,
    startedAt: 0,
    finishedAt: now,
  }
  return {
    ...countStart(record, now),
    dead,
    failure: { reason: 'RunContainerError', message },
  }
}

/** No instance: what stands in its way is written down, and what ran before stays. */
export function recordFailure(
  record: ContainerRecord,
  failure: StartFailure,
): ContainerRecord {
  return { ...record, failure }
}

/** Something has changed: what could not be prepared may be tried at once. */
export function recordWake(record: ContainerRecord): ContainerRecord {
  if (record.failure?.retryAt === undefined) return record
  const { retryAt: _, ...failure } = record.failure
  return { ...record, failure }
}

/** How long the back-off lasts, from the end of the last instance; 0 without one. */
export function crashLoopDelay(record: ContainerRecord): number {
  if (record.dead === undefined) return 0
  return backoffDelay(record.backoff, record.dead.finishedAt, crashLoopBackoff)
}

function countStart(record: ContainerRecord, now: number): ContainerRecord {
  if (record.dead === undefined) return record
  return {
    ...record,
    restartCount: record.restartCount + 1,
    backoff: nextBackoff(
      record.backoff,
      record.dead.finishedAt,
      now,
      crashLoopBackoff,
    ),
  }
}
