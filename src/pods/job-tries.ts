import { restartingFields } from '../api/changed-fields.ts'
import { keyOf, objectKey } from '../api/object-key.ts'
import type { CronRules, JobProgress, JobRules, Pod } from '../api/types.ts'
import { podOfIndex } from '../api/workload-pod.ts'
import type { PodEvent } from '../runner/status/pod-events.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import type { SessionRecord } from '../server/session-record.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../util/clock.ts'
import { formatGoDuration } from '../util/go-duration.ts'
import type { Schedule } from './cron-schedule.ts'
import {
  countEnd,
  longestMs,
  newProgress,
  nextStep,
  pastBackoffLimitOnFailure,
  whyOver,
  type JobEnd,
} from './job-progress.ts'
import { failureText, sourceName } from './pod-notices.ts'

/** Somebody may set the time of day: it is looked at again. */
const longestWaitMs = 600_000

interface JobTriesOptions {
  readonly clock: Clock
  readonly record: SessionRecord
  readonly store: Store
  /** Of the waits after a failure. */
  readonly backoffScale: () => number
  /** Absent: it runs when it is told to, also when it is suspended or has a schedule. */
  readonly schedule?: (rules: CronRules) => Schedule
  readonly notice: (text: string) => void
}

/**
 * What a Job's controller does with one Job: when its Pod is started, how often, and when all of
 * it is over. Each Pod is a new one with the name of the one before.
 */
export class JobTries {
  readonly #options: JobTriesOptions
  /** The version of the files that the progress is of. */
  #of: Pod | undefined
  #progress: JobProgress | undefined
  #end: JobEnd | undefined
  /** Milliseconds since 1970. */
  #endTime: number | undefined
  #isSuspended = false
  /** Of a CronJob: when it was due last; its first time comes after that. */
  #scheduledTime: number | undefined
  #lastSuccessTime: number | undefined
  /** By the clock's `elapsed`. */
  #activeSince = 0
  #dueAt = 0
  #stopWatching: () => void = () => {}

  constructor(options: JobTriesOptions) {
    this.#options = options
  }

  /** Milliseconds until a Pod is to be started; Infinity: not as things are; undefined: it is over. */
  due(wanted: Pod): number | undefined {
    const { clock } = this.#options
    if (this.isOther(wanted)) this.reset()
    this.#of = wanted
    const isCron = this.#scheduleOf(wanted) !== undefined
    if (this.#end !== undefined && !isCron) return undefined
    if (this.isSuspended(wanted)) {
      this.#suspend(true)
      return Infinity
    }
    this.#suspend(false)
    const untilMs = this.#untilScheduled(wanted)
    if (untilMs > 0) {
      this.#tell()
      return Math.min(untilMs, longestWaitMs)
    }
    if (this.#progress === undefined) {
      this.#progress = newProgress(clock.now())
      this.#activeSince = clock.elapsed()
    }
    const step = nextStep(this.#progress, rulesOf(wanted), this.#activeMs())
    if (step.step === 'end') {
      this.#finish(step.end)
      return isCron ? this.due(wanted) : undefined
    }
    this.#tell()
    const now = clock.elapsed()
    return Math.min(
      Math.max(0, this.#dueAt - now),
      longestMs(rulesOf(wanted)) - this.#activeMs(),
    )
  }

  /** It is not to run now. */
  isSuspended(wanted: Pod): boolean {
    const { schedule } = this.#options
    return (
      schedule !== undefined &&
      (rulesOf(wanted).suspend ||
        (wanted.workload?.cron?.suspend === true && !this.#isActive))
    )
  }

  /** As which it is started, and compared with what runs. */
  versionOf(wanted: Pod): Pod {
    const progress = this.#progress
    if (progress === undefined || wanted.workload === undefined) return wanted
    const pod = rulesOf(wanted).isIndexed
      ? podOfIndex(wanted, progress.index)
      : wanted
    return { ...pod, workload: { ...wanted.workload, progress } }
  }

  /** Whether it is another Job than the one that was tried. */
  isOther(wanted: Pod): boolean {
    const of = this.#of
    if (of === undefined) return false
    const fields = restartingFields(this.versionOf(of), this.versionOf(wanted))
    return fields.length > 0
  }

  /** Resolves when the time has come, or `signal` aborts. */
  async pause(delayMs: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(delayMs, signal).catch(() => undefined)
  }

  /** A podfs before this one has started `pod`. */
  adopt({ workload }: Pod): void {
    const { clock } = this.#options
    const { progress } = workload ?? {}
    if (progress === undefined) return
    this.#progress = progress
    this.#scheduledTime = progress.scheduledTime
    this.#activeSince = clock.elapsed() - (clock.now() - progress.startTime)
  }

  /** A Pod runs; `end` makes it end when the Job is over before it is. */
  begun(pod: Pod, end: () => void): void {
    const { clock, record } = this.#options
    const key = keyOf(pod)
    this.#of ??= pod
    this.#tell()
    const over = (why: JobEnd | undefined): void => {
      if (why === undefined || this.#end !== undefined) return
      this.#finish(why)
      this.#event('Normal', 'SuccessfulDelete', `Deleted pod: ${nameOf(pod)}`)
      end()
    }
    let timer: { cancel(): void } | undefined
    const look = (): void => {
      const progress = this.#progress ?? newProgress(clock.now())
      const left = longestMs(rulesOf(pod)) - this.#activeMs()
      if (left <= 0) over(whyOver(progress, rulesOf(pod), this.#activeMs()))
      // A timer may be early by a part of a millisecond.
      else if (left < Infinity) timer = clock.after(Math.ceil(left), look)
    }
    look()
    const replacing = this.#endWhenDue(pod, end)
    const unwatch = record.watch(change => {
      if (change.kind !== 'pod' || change.key !== key) return
      const live = record.pods.get(key)
      over(pastBackoffLimitOnFailure(rulesOf(pod), pod, live?.status))
    })
    this.#stopWatching = () => {
      timer?.cancel()
      replacing?.cancel()
      unwatch()
    }
  }

  /** A Pod was started, and not adopted. */
  created(pod: Pod): void {
    this.#event('Normal', 'SuccessfulCreate', `Created pod: ${nameOf(pod)}`)
  }

  /** Whether it is this that has ended the Pod. */
  get hasEnded(): boolean {
    return this.#end !== undefined
  }

  /** Nobody has asked for its end but the Job itself. */
  ended(wanted: Pod, pod: Pod, status: PodStatus): void {
    this.#stopWatching()
    const { clock, backoffScale, notice } = this.#options
    const rules = rulesOf(wanted)
    const before = this.#progress ?? newProgress(clock.now())
    const { progress, end } = countEnd(before, rules, pod, status)
    this.#progress = progress
    if (this.#end !== undefined) return this.#tell()
    const step =
      end === undefined
        ? nextStep(progress, rules, this.#activeMs())
        : ({ step: 'end', end } as const)
    if (step.step === 'end') {
      this.#finish(step.end)
      if (this.isScheduled)
        notice(
          this.failureOf(pod, status) ?? `${sourceName(pod)} has completed`,
        )
      return
    }
    const delayMs = step.delayMs * backoffScale()
    this.#dueAt = clock.elapsed() + delayMs
    this.#tell()
    notice(
      status.phase === 'Succeeded'
        ? `${sourceName(pod)}: ${progress.succeeded} of ${rules.completions} completions`
        : `${sourceName(pod)}: ${failureText(pod, status)}; another one in ${formatGoDuration(delayMs)}`,
    )
  }

  /** What ran was told to go, and counts for nothing. */
  abandoned(): void {
    this.#stopWatching()
    this.#dueAt = 0
    // The next one of a CronJob is another Job.
    if (this.#scheduledTime !== undefined) this.#progress = undefined
  }

  /** Why it has failed; undefined while it has not. */
  failureOf(pod: Pod, status: PodStatus): string | undefined {
    if (this.#end?.type !== 'Failed') return undefined
    const { message } = this.#end
    const last = status.phase === 'Failed' ? failureText(pod, status) : ''
    return [`${sourceName(pod)} has failed: ${message}`, last]
      .filter(part => part !== '')
      .join('; ')
  }

  /** Its Pod is another one now, or gone. */
  reset(): void {
    this.#of = undefined
    this.#progress = undefined
    this.#end = undefined
    this.#endTime = undefined
    this.#dueAt = 0
  }

  /** What runs goes on, and the changes count the next time. */
  get isScheduled(): boolean {
    return this.#scheduledTime !== undefined
  }

  get #isActive(): boolean {
    return this.#progress !== undefined && this.#end === undefined
  }

  #scheduleOf({ workload }: Pod): Schedule | undefined {
    const { schedule } = this.#options
    return workload?.cron && schedule?.(workload.cron)
  }

  /**
   * Of a CronJob: milliseconds until it is due. When it is, another Job begins; of several times that
   * were missed the last one counts (mostRecentScheduleTime, pkg/controller/cronjob/utils.go).
   */
  #untilScheduled(wanted: Pod): number {
    const schedule = this.#scheduleOf(wanted)
    if (schedule === undefined || this.#isActive) return 0
    const { startingDeadlineSeconds = Infinity } = wanted.workload?.cron ?? {}
    const now = this.#options.clock.now()
    this.#scheduledTime ??= now
    const since = Math.max(
      this.#scheduledTime,
      now - startingDeadlineSeconds * 1000,
    )
    const scheduledTime = schedule.last(since, now)
    if (scheduledTime === undefined)
      return Math.max(1, schedule.next(this.#scheduledTime, now) - now)
    this.#scheduledTime = scheduledTime
    this.#progress = { ...newProgress(now), scheduledTime }
    this.#activeSince = this.#options.clock.elapsed()
    this.#end = undefined
    this.#endTime = undefined
    this.#dueAt = 0
    return 0
  }

  /** concurrencyPolicy Replace. */
  #endWhenDue(pod: Pod, end: () => void): { cancel(): void } | undefined {
    const schedule = this.#scheduleOf(pod)
    if (schedule === undefined || pod.workload?.cron?.replaces !== true)
      return undefined
    const { clock, notice } = this.#options
    const now = clock.now()
    const waitMs = schedule.next(this.#scheduledTime ?? now, now) - now
    return clock.after(Math.max(0, waitMs), () => {
      notice(`${sourceName(pod)} is due again: replacing its Pod`)
      end()
    })
  }

  #activeMs(): number {
    return this.#options.clock.elapsed() - this.#activeSince
  }

  #suspend(isSuspended: boolean): void {
    if (this.#isSuspended === isSuspended) return
    this.#isSuspended = isSuspended
    const { clock } = this.#options
    if (!isSuspended && this.#progress !== undefined && this.#isActive) {
      // It begins to be active.
      this.#progress = { ...this.#progress, startTime: clock.now() }
      this.#activeSince = clock.elapsed()
    }
    if (this.#of?.workload?.kind === 'Job')
      if (isSuspended) this.#event('Normal', 'Suspended', 'Job suspended')
      else this.#event('Normal', 'Resumed', 'Job resumed')
    this.#tell()
  }

  #finish(end: JobEnd): void {
    this.#end = end
    this.#endTime = this.#options.clock.now()
    if (end.type === 'Complete') this.#lastSuccessTime = this.#endTime
    this.#tell()
    if (end.type === 'Complete')
      this.#event('Normal', 'Completed', 'Job completed')
    else this.#event('Warning', end.reason, end.message)
  }

  #tell(): void {
    const of = this.#of
    const endTime = this.#endTime
    if (of?.workload === undefined) return
    const { kind, name } = of.workload
    this.#options.record.job(objectKey(kind, of.metadata.namespace, name), {
      rules: rulesOf(of),
      isSuspended: this.#isSuspended,
      ...(this.#progress && { progress: this.#progress }),
      ...(this.#end && { end: this.#end }),
      ...(endTime === undefined ? {} : { endTime }),
      ...(this.#lastSuccessTime && { lastSuccessTime: this.#lastSuccessTime }),
    })
  }

  #event(type: PodEvent['type'], reason: string, message: string): void {
    const { store, record } = this.#options
    const of = this.#of
    if (of?.workload === undefined) return
    const { kind, name } = of.workload
    const job = store.get(objectKey(kind, of.metadata.namespace, name))
    if (job !== undefined) record.event({ type, reason, message }, job)
  }
}

/** Of a Pod that a Job has. */
function rulesOf({ workload }: Pod): JobRules {
  if (workload?.job === undefined) throw new TypeError('it is no Job')
  return workload.job
}

function nameOf({ metadata }: Pod): string {
  return metadata.name
}
