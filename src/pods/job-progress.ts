import type {
  JobProgress,
  JobRules,
  Pod,
  PodFailureRule,
} from '../api/types.ts'
import type { ContainerStatus } from '../runner/status/container-status.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'

/*
 * What a Job does next, as its controller decides it (pkg/controller/job/job_controller.go,
 * syncJob), but that there is never more than one Pod at a time. Pure.
 */

/** How a Job ended: its condition's type, reason and message. */
export interface JobEnd {
  readonly type: 'Complete' | 'Failed'
  readonly reason: string
  readonly message: string
}

export type JobStep =
  /** Another Pod, so long after the end of the last one. */
  | { readonly step: 'try'; readonly delayMs: number }
  | { readonly step: 'end'; readonly end: JobEnd }

/** How the Pod of a Job ended, counted; `end`: the whole Job ends with it. */
export interface CountedEnd {
  readonly progress: JobProgress
  readonly end?: JobEnd
}

export function newProgress(startTime: number): JobProgress {
  return {
    startTime,
    succeeded: 0,
    failed: 0,
    failuresInRow: 0,
    index: 0,
    failedIndexes: [],
  }
}

/** A Pod of the Job has ended. */
export function countEnd(
  before: JobProgress,
  rules: JobRules,
  pod: Pod,
  status: PodStatus,
): CountedEnd {
  if (status.phase === 'Succeeded')
    return {
      progress: {
        ...before,
        succeeded: before.succeeded + 1,
        failuresInRow: 0,
        index: before.index + 1,
      },
    }
  const match = matchFailurePolicy(rules.failureRules, pod, status)
  const failuresInRow = before.failuresInRow + 1
  // Not counted, but the next one waits all the same.
  if (match?.action === 'Ignore')
    return { progress: { ...before, failuresInRow } }
  const failed = before.failed + 1
  const { backoffLimitPerIndex: limit } = rules
  const failsIndex =
    limit !== undefined &&
    (match?.action === 'FailIndex' || failuresInRow > limit)
  const counted: JobProgress = failsIndex
    ? {
        ...before,
        failed,
        failuresInRow: 0,
        index: before.index + 1,
        failedIndexes: [...before.failedIndexes, before.index],
      }
    : { ...before, failed, failuresInRow }
  return match?.action === 'FailJob'
    ? {
        progress: counted,
        end: failedBecause('PodFailurePolicy', match.message),
      }
    : { progress: counted }
}

/** What comes when nothing of the Job runs, which has been active for so long. */
export function nextStep(
  progress: JobProgress,
  rules: JobRules,
  activeMs: number,
): JobStep {
  const end =
    whyOver(progress, rules, activeMs) ??
    (isDone(progress, rules) ? doneWith(progress) : undefined)
  return end === undefined
    ? { step: 'try', delayMs: backoffMs(progress.failuresInRow) }
    : { step: 'end', end }
}

/** Why it must end with what runs of it; undefined while it may go on. */
export function whyOver(
  { failed, failedIndexes }: JobProgress,
  rules: JobRules,
  activeMs: number,
): JobEnd | undefined {
  if (failed > rules.backoffLimit) return limitReached
  if (activeMs >= longestMs(rules))
    return failedBecause(
      'DeadlineExceeded',
      'Job was active longer than specified deadline',
    )
  if (failedIndexes.length > (rules.maxFailedIndexes ?? Infinity))
    return failedBecause(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    )
  return undefined
}

/** How long it may be active; Infinity without a deadline. */
export function longestMs({ activeDeadlineSeconds }: JobRules): number {
  return (activeDeadlineSeconds ?? Infinity) * 1000
}

/** Containers that are started again in place count, too (pastBackoffLimitOnFailure). */
export function pastBackoffLimitOnFailure(
  { backoffLimit }: JobRules,
  { spec }: Pod,
  status: PodStatus | undefined,
): JobEnd | undefined {
  const {
    phase,
    initContainerStatuses = [],
    containerStatuses = [],
  } = status ?? {}
  if (spec.restartPolicy !== 'OnFailure') return undefined
  if (phase !== 'Running' && phase !== 'Pending') return undefined
  const restarts = [...initContainerStatuses, ...containerStatuses].reduce(
    (sum, { restartCount }) => sum + restartCount,
    0,
  )
  return restarts >= Math.max(backoffLimit, 1) ? limitReached : undefined
}

const limitReached = failedBecause(
  'BackoffLimitExceeded',
  'Job has reached the specified backoff limit',
)

function failedBecause(reason: string, message: string): JobEnd {
  return { type: 'Failed', reason, message }
}

function isDone(
  { index, succeeded }: JobProgress,
  { isIndexed, completions }: JobRules,
): boolean {
  return (isIndexed ? index : succeeded) >= completions
}

function doneWith({ failedIndexes }: JobProgress): JobEnd {
  return failedIndexes.length > 0
    ? failedBecause('FailedIndexes', 'Job has failed indexes')
    : {
        type: 'Complete',
        reason: 'CompletionsReached',
        message: 'Reached expected number of succeeded pods',
      }
}

const firstBackoffMs = 10_000
const longestBackoffMs = 600_000

/** getRemainingTimeForFailuresCount, pkg/controller/job/backoff_utils.go. */
function backoffMs(failures: number): number {
  return failures === 0
    ? 0
    : Math.min(firstBackoffMs * 2 ** (failures - 1), longestBackoffMs)
}

interface PolicyMatch {
  readonly action: string
  readonly message: string
}

/** pkg/controller/job/pod_failure_policy.go; undefined: no rule matches. */
function matchFailurePolicy(
  rules: readonly PodFailureRule[],
  { metadata }: Pod,
  status: PodStatus,
): PolicyMatch | undefined {
  const name = `${metadata.namespace}/${metadata.name}`
  for (const [i, { action = '', ...rule }] of rules.entries()) {
    const at = `matching ${action} rule at index ${i}`
    const container = matchedByExitCode(rule.onExitCodes, status)
    if (container !== undefined)
      return {
        action,
        message: `Container ${container.name} for pod ${name} failed with exit code ${container.state.terminated?.exitCode} ${at}`,
      }
    const condition = status.conditions.find(({ type, status }) =>
      rule.onPodConditions?.some(
        pattern => pattern.type === type && pattern.status === status,
      ),
    )
    if (condition !== undefined)
      return {
        action,
        message: `Pod ${name} has condition ${condition.type} ${at}`,
      }
  }
  return undefined
}

function matchedByExitCode(
  requirement: PodFailureRule['onExitCodes'],
  { containerStatuses, initContainerStatuses = [] }: PodStatus,
): ContainerStatus | undefined {
  if (requirement === undefined) return undefined
  const { containerName, operator, values = [] } = requirement
  return [...containerStatuses, ...initContainerStatuses].find(
    ({ name, state: { terminated } }) =>
      (containerName === undefined || containerName === name) &&
      terminated !== undefined &&
      terminated.exitCode !== 0 &&
      values.includes(terminated.exitCode) === (operator === 'In'),
  )
}
