import {
  backoffDelay,
  nextBackoff,
  type BackoffEntry,
  type BackoffOptions,
} from '../../util/backoff.ts'
import type { ExitStatus } from '../sandbox/container-runtime.ts'
import type { ProbeKind, Verdict } from './probes/probe-state.ts'

/** The kubelet's (pkg/kubelet/kubelet.go; docs/kubernetes.md#restarts-and-back-off). */
export function crashLoopBackoff(scale = 1): BackoffOptions {
  return {
    baseMs: 10_000 * scale,
    maxMs: 300_000 * scale,
    resetAfterMs: 600_000 * scale,
  }
}

const asOnANode = crashLoopBackoff()

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
  /**
   * All containers of the Pod began anew, and its last instance was taken away for that; until
   * there is another one that has ended.
   */
  readonly isReset?: true
  /** The dead instance is one that a probe has ended and that is about to be replaced. */
  readonly replaced?: ReplacedInstance
  /** Its instances were in a sandbox that is no more; `restart`: one ran when that was lost. */
  readonly lostSandbox?: { readonly restart: boolean }
}

export interface RunningInstance {
  readonly containerID: string
  readonly startedAt: number
  /** Its startup probe, if it has one, has succeeded. */
  readonly started: boolean
  /** What its readiness probe said last; true without one. */
  readonly ready: boolean
  /** This probe has found that it is to be killed. */
  readonly failedProbe?: 'liveness' | 'startup'
  /** It is being killed for that, and will be replaced. */
  readonly isReplaced?: true
}

export interface DeadInstance {
  readonly containerID: string
  readonly exitCode: number
  readonly reason: string
  readonly message?: string
  readonly startedAt: number
  readonly finishedAt: number
  /** It was started in the sense of its startup probe. */
  readonly started: boolean
}

/**
 * A kubelet kills and restarts in one sync, with what it knew before: until the restart, or the
 * back-off that takes its place, the status shows the killed instance as running, and the
 * back-off goes by the end of the one before (recorded).
 */
export interface ReplacedInstance {
  readonly running: RunningInstance
  readonly before?: DeadInstance
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

/** What an instance is before any of its probes has looked. */
export type InitialState = Pick<RunningInstance, 'started' | 'ready'>

/** Without probes. */
const runsAtOnce: InitialState = { started: true, ready: true }

/** Whether any instance ever came to be. */
export function hasStarted(record: ContainerRecord): boolean {
  return record.running !== undefined || record.dead !== undefined
}

/** Whether any instance came to be in the sandbox that there is. */
export function hasStartedHere(record: ContainerRecord): boolean {
  return hasStarted(record) && record.lostSandbox === undefined
}

export function recordStarted(
  record: ContainerRecord,
  containerID: string,
  now: number,
  initial = runsAtOnce,
  backoff = asOnANode,
): ContainerRecord {
  const { failure: _, ...rest } = countStart(record, now, backoff)
  return { ...rest, running: { containerID, startedAt: now, ...initial } }
}

/** A probe has come to a verdict of this instance. */
export function recordVerdict(
  record: ContainerRecord,
  containerID: string,
  kind: ProbeKind,
  verdict: Verdict,
): ContainerRecord {
  const { running } = record
  if (running?.containerID !== containerID) return record
  const isSuccess = verdict === 'success'
  if (kind === 'readiness')
    return { ...record, running: { ...running, ready: isSuccess } }
  if (!isSuccess)
    return { ...record, running: { ...running, failedProbe: kind } }
  return kind === 'startup'
    ? { ...record, running: { ...running, started: true } }
    : record
}

export function recordExited(
  record: ContainerRecord,
  { exitCode, isOutOfMemory }: ExitStatus,
  now: number,
  message?: string,
): ContainerRecord {
  const { running, ...rest } = record
  if (running === undefined) return record
  const { containerID, startedAt, started, isReplaced = false } = running
  const before = record.dead === undefined ? {} : { before: record.dead }
  const reason = exitReason(exitCode, isOutOfMemory)
  return {
    ...rest,
    dead: {
      containerID,
      exitCode,
      reason,
      ...(message !== undefined && { message }),
      startedAt,
      finishedAt: now,
      started,
    },
    ...(isReplaced && { replaced: { running, ...before } }),
  }
}

/**
 * As containerd: who was short of memory is told of, whatever the program has made of that
 * (internal/cri/server/events.go and container_status.go).
 */
function exitReason(exitCode: number, isOutOfMemory = false): string {
  if (isOutOfMemory) return 'OOMKilled'
  return exitCode === 0 ? 'Completed' : 'Error'
}

/** It is being killed because of its probe, and another one is to follow at once. */
export function recordReplacing(record: ContainerRecord): ContainerRecord {
  const { running } = record
  if (running === undefined) return record
  return { ...record, running: { ...running, isReplaced: true } }
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
  backoff = asOnANode,
): ContainerRecord {
  const dead: DeadInstance = {
    containerID,
    exitCode: 128,
    reason: 'StartError',
    message,
    startedAt: 0,
    finishedAt: now,
    started: false,
  }
  return {
    ...countStart(record, now, backoff),
    dead,
    failure: { reason: 'RunContainerError', message },
  }
}

/**
 * All containers begin anew: it is as one that never ran, but for its number. Whose end it was, has
 * a back-off for it.
 */
export function recordReset(
  record: ContainerRecord,
  now: number,
  isTrigger: boolean,
  backoff = asOnANode,
): ContainerRecord {
  if (!hasStarted(record)) return record
  const { restartCount, backoff: entry } = isTrigger
    ? countStart(record, now, backoff)
    : { ...record, restartCount: record.restartCount + 1 }
  return { restartCount, ...(entry && { backoff: entry }), isReset: true }
}

/** The sandbox is lost: all that was in it is over, and begins anew. */
export function recordSandboxLost(record: ContainerRecord): ContainerRecord {
  if (!hasStarted(record)) return record
  return { ...record, lostSandbox: { restart: record.running !== undefined } }
}

/** No instance: what stands in its way is written down, and what ran before stays. */
export function recordFailure(
  record: ContainerRecord,
  failure: StartFailure,
): ContainerRecord {
  const { replaced: _, ...rest } = record
  return { ...rest, failure }
}

/** Something has changed: what could not be prepared may be tried at once. */
export function recordWake(record: ContainerRecord): ContainerRecord {
  if (record.failure?.retryAt === undefined) return record
  const { retryAt: _, ...failure } = record.failure
  return { ...record, failure }
}

/** From when the back-off counts, and how long it lasts; undefined where nothing has ended. */
export function crashLoopWait(
  record: ContainerRecord,
  backoff: BackoffOptions,
): { readonly from: number; readonly delayMs: number } | undefined {
  const from = lastEnd(record)
  if (from === undefined) return undefined
  return { from, delayMs: backoffDelay(record.backoff, from, backoff) }
}

/** What a restart is too soon after: the end of the last instance, or of the one before it. */
function lastEnd({ dead, replaced }: ContainerRecord): number | undefined {
  return (replaced === undefined ? dead : replaced.before)?.finishedAt
}

function countStart(
  { replaced, ...before }: ContainerRecord,
  now: number,
  backoff: BackoffOptions,
): ContainerRecord {
  const { lostSandbox: _lost, ...record } = before
  if (record.dead === undefined) return record
  const from = lastEnd({ ...record, ...(replaced && { replaced }) })
  const { isReset: _reset, ...rest } = record
  return {
    ...rest,
    restartCount: record.restartCount + 1,
    ...(from !== undefined && {
      backoff: nextBackoff(record.backoff, from, now, backoff),
    }),
  }
}
