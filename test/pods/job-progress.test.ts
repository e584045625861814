import t from 'tap'
import type {
  JobProgress,
  JobRules,
  PodFailureRule,
} from '../../src/api/types.ts'
import {
  countEnd,
  newProgress,
  nextStep,
  pastBackoffLimitOnFailure,
} from '../../src/pods/job-progress.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { makePod } from '../helpers/make-objects.ts'

/*
 * What a Job does after each end of its Pod, beside pkg/controller/job/job_controller.go.
 */

const rules = (more: Partial<JobRules> = {}): JobRules => ({
  completions: 1,
  isIndexed: false,
  backoffLimit: 6,
  suspend: false,
  failureRules: [],
  ...more,
})

const ended = (exitCode: number, conditions: object[] = []) =>
  ({
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    conditions,
    containerStatuses: [{ name: 'c', state: { terminated: { exitCode } } }],
  }) as unknown as PodStatus

/** After the Pods have ended with these exit codes, one after the other: what comes then. */
function after(exitCodes: readonly number[], how = rules(), activeMs = 0) {
  let progress: JobProgress = newProgress(0)
  for (const exitCode of exitCodes) {
    const counted = countEnd(progress, how, makePod(), ended(exitCode))
    progress = counted.progress
    if (counted.end !== undefined) return { ...counted.end, progress }
  }
  const step = nextStep(progress, how, activeMs)
  return step.step === 'end'
    ? { ...step.end, progress }
    : { delayMs: step.delayMs, progress }
}

t.test('it is tried again, each time later', async t => {
  const delays = [0, 10, 20, 40, 80, 160, 320, 600, 600]
  for (const [failures, seconds] of delays.entries())
    t.match(after(Array(failures).fill(1), rules({ backoffLimit: 99 })), {
      delayMs: seconds * 1000,
    })
  t.match(after([1, 1, 0], rules({ completions: 2 })), {
    delayMs: 0,
    progress: { succeeded: 1, failed: 2 },
  })
})

t.test('when it is over', async t => {
  const complete = { type: 'Complete', reason: 'CompletionsReached' }
  const limit = { type: 'Failed', reason: 'BackoffLimitExceeded' }
  t.match(after([1, 1, 0]), complete)
  t.match(after([0, 0, 0], rules({ completions: 3 })), complete)
  t.match(after([], rules({ completions: 0 })), complete)
  t.match(after([1], rules({ backoffLimit: 0 })), limit)
  t.match(after([1, 1, 1], rules({ backoffLimit: 2 })), limit)
  const late = rules({ activeDeadlineSeconds: 5 })
  t.match(after([1], late, 4999), { delayMs: 10_000 })
  t.match(after([1], late, 5000), {
    type: 'Failed',
    reason: 'DeadlineExceeded',
    message: 'Job was active longer than specified deadline',
  })
})

t.test('one index after the other', async t => {
  const indexed = rules({ completions: 3, isIndexed: true })
  t.match(after([0, 1, 0], indexed), { delayMs: 0, progress: { index: 2 } })
  t.match(after([0, 1, 0, 0], indexed), { type: 'Complete' })
  const each = rules({ ...indexed, backoffLimit: 99, backoffLimitPerIndex: 1 })
  t.match(after([1], each), { delayMs: 10_000, progress: { index: 0 } })
  t.match(after([1, 1], each), {
    delayMs: 0,
    progress: { index: 1, failedIndexes: [0] },
  })
  t.match(after([1, 1, 0, 0], each), {
    type: 'Failed',
    reason: 'FailedIndexes',
    message: 'Job has failed indexes',
  })
  t.match(after([1, 1], { ...each, maxFailedIndexes: 0 }), {
    reason: 'MaxFailedIndexesExceeded',
  })
})

t.test('podFailurePolicy: the first rule that matches', async t => {
  const failing = (
    failureRules: readonly PodFailureRule[],
    codes: readonly number[],
    more = {},
  ) => after(codes, rules({ failureRules, ...more }))
  const onExitCodes = (operator: string, ...values: number[]) => ({
    onExitCodes: { operator, values },
  })
  t.match(failing([{ action: 'FailJob', ...onExitCodes('In', 42) }], [1, 42]), {
    type: 'Failed',
    reason: 'PodFailurePolicy',
    message:
      'Container c for pod default/pod failed with exit code 42 matching FailJob rule at index 0',
  })
  t.match(
    failing(
      [
        { action: 'Ignore', ...onExitCodes('In', 3) },
        { action: 'FailJob', ...onExitCodes('NotIn', 4) },
      ],
      [3, 3, 4],
      { backoffLimit: 0 },
    ),
    { reason: 'BackoffLimitExceeded', progress: { failed: 1 } },
    'what is ignored is not counted, but waits',
  )
  const named = { containerName: 'other', operator: 'In', values: [1] }
  t.match(failing([{ action: 'FailJob', onExitCodes: named }], [1]), {
    delayMs: 10_000,
  })
  t.match(
    failing([{ action: 'FailIndex', ...onExitCodes('In', 1) }], [1], {
      completions: 2,
      isIndexed: true,
      backoffLimitPerIndex: 5,
    }),
    { delayMs: 0, progress: { index: 1, failedIndexes: [0], failed: 1 } },
  )
  const evicted = [{ type: 'DisruptionTarget', status: 'True' }]
  const policy = rules({
    failureRules: [{ action: 'FailJob', onPodConditions: evicted }],
  })
  t.match(countEnd(newProgress(0), policy, makePod(), ended(1, evicted)), {
    end: {
      message:
        'Pod default/pod has condition DisruptionTarget matching FailJob rule at index 0',
    },
  })
  t.equal(countEnd(newProgress(0), policy, makePod(), ended(1)).end, undefined)
})

t.test('OnFailure: restarts in place count', async t => {
  const pod = makePod({ spec: { restartPolicy: 'OnFailure' } })
  const status = (restartCount: number, phase = 'Running') =>
    ({ phase, containerStatuses: [{ restartCount }] }) as unknown as PodStatus
  const past = (backoffLimit: number, ...args: Parameters<typeof status>) =>
    pastBackoffLimitOnFailure(rules({ backoffLimit }), pod, status(...args))
      ?.reason
  t.equal(past(2, 1), undefined)
  t.equal(past(2, 2), 'BackoffLimitExceeded')
  t.equal(past(0, 0), undefined)
  t.equal(past(0, 1), 'BackoffLimitExceeded')
  t.equal(past(0, 1, 'Failed'), undefined, 'counted as a failed Pod')
  const never = makePod({ spec: { restartPolicy: 'Never' } })
  t.equal(pastBackoffLimitOnFailure(rules(), never, status(9)), undefined)
})

t.test('what is said of it, to the word', async t => {
  t.strictSame(nextStep(newProgress(0), rules(), 0), {
    step: 'try',
    delayMs: 0,
  })
  t.match(after([0]), { message: 'Reached expected number of succeeded pods' })
  const each = rules({
    completions: 3,
    isIndexed: true,
    backoffLimitPerIndex: 0,
    maxFailedIndexes: 1,
  })
  t.match(after([1], each), { delayMs: 0 }, 'as many may fail')
  t.match(after([1, 1], each), {
    message: 'Job has exceeded the specified maximal number of failed indexes',
  })
  t.match(
    after([1, 1], rules({ completions: 2, isIndexed: true })),
    { progress: { index: 0 } },
    'without a limit for each index none fails',
  )
})

t.test('podFailurePolicy: conditions and containers', async t => {
  const failsJob = (
    rule: Partial<PodFailureRule>,
    status: PodStatus,
  ): boolean => {
    const failureRules = [{ action: 'FailJob', ...rule }]
    const how = rules({ failureRules })
    return countEnd(newProgress(0), how, makePod(), status).end !== undefined
  }
  const pattern = (type: string, status: string) => ({ type, status })
  const condition = pattern('DisruptionTarget', 'True')
  const of = (...onPodConditions: PodFailureRule['onPodConditions'] & object) =>
    failsJob({ onPodConditions }, ended(1, [condition]))
  t.ok(of(condition))
  t.ok(of(pattern('Other', 'True'), condition), 'one of them is enough')
  t.notOk(of(pattern('DisruptionTarget', 'False')))
  t.notOk(of(pattern('Other', 'True')))
  t.notOk(of(pattern('Other', 'False')))
  t.notOk(failsJob({}, ended(1, [condition])), 'a rule about nothing')

  const exits = (more: object, codes: Record<string, number | undefined>) =>
    failsJob({ onExitCodes: { operator: 'NotIn', values: [7], ...more } }, {
      phase: 'Failed',
      conditions: [],
      containerStatuses: Object.entries(codes).map(([name, exitCode]) => ({
        name,
        state: exitCode === undefined ? {} : { terminated: { exitCode } },
      })),
    } as unknown as PodStatus)
  t.ok(exits({ containerName: 'a' }, { a: 1, b: 7 }))
  t.notOk(exits({ containerName: 'b' }, { a: 1, b: 7 }))
  t.notOk(exits({}, { a: 0 }), 'a success is no failure')
  t.notOk(exits({}, { a: undefined }), 'nor is what has not ended')
})

t.test('OnFailure: before it runs, and of nothing', async t => {
  const pod = makePod({ spec: { restartPolicy: 'OnFailure' } })
  const restarted = [{ restartCount: 1 }]
  const past = (status: object | undefined) =>
    pastBackoffLimitOnFailure(
      rules({ backoffLimit: 1 }),
      pod,
      status as PodStatus | undefined,
    )?.reason
  t.equal(
    past({ phase: 'Pending', initContainerStatuses: restarted }),
    'BackoffLimitExceeded',
  )
  t.equal(past({ phase: 'Running' }), undefined)
  t.equal(past(undefined), undefined)
})
