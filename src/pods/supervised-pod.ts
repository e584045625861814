import { restartingFields } from '../api/changed-fields.ts'
import type { Pod } from '../api/types.ts'
import type { PodStatus, WrittenStatus } from '../runner/status/pod-status.ts'
import type { ControlledPod, Held } from '../server/pod-control.ts'
import { longestDeletionSeconds } from '../runner/lifecycle/termination.ts'
import type { JobTries } from './job-tries.ts'
import { listFields, sourceName, UnappliedChanges } from './pod-notices.ts'
import type { PodOutcome } from './pod-outcome.ts'
import type { PodSession } from './pod-session.ts'
import { inBackground } from '../util/in-background.ts'

/** Where a Pod is in its life. */
type State =
  /** Nothing runs, nothing is under way. */
  | 'idle'
  | 'starting'
  | 'running'
  /** It was told to end, and has not yet. */
  | 'ending'
  /** Nothing runs, until it is time for another try. */
  | 'waiting'
  /** It has ended by itself; what was made for it is being undone. */
  | 'closing'
  /** The same of one that was told to end: what is wanted then comes next. */
  | 'replacing'

type Step = 'start' | 'started' | 'wait' | 'end' | 'ended' | 'failed' | 'rest'

/** What each step makes of each state. What is not here cannot happen. */
const transitions: Readonly<
  Record<State, Readonly<Partial<Record<Step, State>>>>
> = {
  idle: { start: 'starting' },
  // An end that is asked for meanwhile is looked at once it has started.
  starting: {
    started: 'running',
    wait: 'waiting',
    end: 'starting',
    rest: 'idle',
    failed: 'idle',
  },
  waiting: { start: 'starting', end: 'waiting', rest: 'idle', failed: 'idle' },
  running: { end: 'ending', ended: 'closing', failed: 'idle' },
  ending: { end: 'ending', ended: 'replacing', failed: 'idle' },
  closing: {
    wait: 'waiting',
    end: 'replacing',
    start: 'starting',
    rest: 'idle',
    failed: 'idle',
  },
  replacing: {
    wait: 'waiting',
    end: 'replacing',
    start: 'starting',
    rest: 'idle',
    failed: 'idle',
  },
}

interface SupervisedPodOptions {
  readonly start: (pod: Pod) => Promise<PodSession>
  /** Whether the Pod can be started at all; tells the person when it cannot. */
  readonly startable: (pod: Pod) => boolean
  /** False: a change of the spec is only told. */
  readonly recreate: boolean
  /** Of a Job; without it a Pod that ends by itself has ended. */
  readonly tries?: JobTries
  readonly notice: (text: string) => void
  /** It may have other containers now. */
  readonly onUpdated: (pod: Pod) => void
  /** It has ended, and is not started again as things are. */
  readonly onIdle: () => void
  /** One that had ended was deleted by hand. */
  readonly onForgotten: () => void
  /** podfs itself could not go on. */
  readonly onError: (error: unknown) => void
}

/** The most seconds that it takes to end those that run; 0 when none does. */
export function longestOf(pods: readonly SupervisedPod[]): number {
  return Math.max(
    0,
    ...pods.flatMap(({ idle, pod }) =>
      idle || pod === undefined ? [] : [longestDeletionSeconds(pod)],
    ),
  )
}

/**
 * One Pod of the files, through all its versions: what is wanted is what the files say last,
 * what runs is brought in line with it.
 *
 * There is one loop, `#work`, and it alone starts: it runs a version to its end, undoes what
 * was made for it, and looks what is wanted then. Everything else only ends what runs. So a
 * new version never overlaps with the old one, and of several changes during a termination
 * the last one counts.
 */
export class SupervisedPod implements ControlledPod {
  readonly #options: SupervisedPodOptions
  #state: State = 'idle'
  #wanted: Pod | undefined
  /** The newest version of the files. */
  #seen: Pod | undefined
  /** By hand: what the files say does not count. */
  #held: Held | undefined
  /** What is running or ending. */
  #session: PodSession | undefined
  /** The person at the terminal has ended it: nothing is started any more. */
  #stopped = false
  #graceSeconds: number | undefined
  /** By hand, while it was being started. */
  #isToBeReplaced = false
  #unapplied: UnappliedChanges | undefined
  #outcome: PodOutcome | undefined
  #pause = new AbortController()

  constructor(options: SupervisedPodOptions) {
    this.#options = options
  }

  get idle(): boolean {
    return this.#state === 'idle'
  }

  /** The files say that it is to be there. */
  get isWanted(): boolean {
    return this.#wanted !== undefined
  }

  get held(): Held | undefined {
    return this.#held
  }

  /** Of its last run; undefined before there was one. */
  get outcome(): PodOutcome | undefined {
    return this.#outcome
  }

  /** The Pod that runs, or else ran last. */
  get pod(): Pod | undefined {
    return this.#session?.pod ?? this.#outcome?.pod
  }

  /** It waits for its time: nothing of it runs. */
  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  /** It runs already, as a podfs before this one has left it. */
  adopt(pod: Pod, session: Promise<PodSession>): void {
    this.#wanted = pod
    this.#options.tries?.adopt(pod)
    this.#begin(session)
  }

  /** The files say this now. */
  want(pod: Pod): void {
    if (this.#stopped) return
    const isNews = isOtherVersion(this.#seen, pod)
    this.#seen = pod
    if (this.#held === 'deleted' && isNews) this.#held = undefined
    if (this.#held !== undefined) return
    const running = this.#session
    if (running === undefined || this.#state !== 'running') {
      // Nothing to compare with: the loop, or the start of one, looks.
      if (!this.idle || this.#isNew(pod)) this.#accept(pod)
      return
    }
    const version = this.#versionOf(pod)
    const fields = restartingFields(running.pod, version)
    if (this.#options.tries?.isSuspended(pod) === true) {
      this.#wanted = pod
      this.#end()
    } else if (!this.#options.recreate) {
      this.#wanted = pod
      this.#unapplied ??= new UnappliedChanges(
        running.pod,
        this.#options.notice,
      )
      this.#unapplied.look(version)
      running.update(version)
    } else if (
      fields.length === 0 ||
      this.#options.tries?.isScheduled === true
    ) {
      this.#wanted = pod
      // What was changed by hand stays.
      if (isNews) running.update(version)
    } else if (this.#options.startable(pod)) {
      this.#wanted = pod
      this.#options.notice(
        `${sourceName(pod)} changed (${listFields(fields)}): restarting ${pod.workload === undefined ? 'it' : 'its Pod'}`,
      )
      this.#end()
    }
  }

  /** It is no longer wanted; `why` completes `Pod default/web ...: ending it`, or whom. */
  drop(why: string, whom = 'it'): void {
    this.#held = undefined
    if (this.#wanted === undefined) return
    const pod = this.#wanted
    this.#wanted = undefined
    this.#options.tries?.reset()
    if (this.idle || this.#stopped) return
    this.#options.notice(`${sourceName(pod)} ${why}: ending ${whom}`)
    this.#end()
  }

  get current(): Pod | undefined {
    return this.#session?.current()
  }

  get written(): WrittenStatus {
    return this.#session?.written() ?? { conditions: [] }
  }

  update(pod: Pod): void {
    this.#session?.update(pod)
    if (this.current !== undefined) this.#options.onUpdated(this.current)
  }

  setWritten(written: WrittenStatus): void {
    this.#session?.setWritten(written)
  }

  delete(graceSeconds?: number): void {
    const pod = this.pod ?? this.#seen
    if (pod?.workload !== undefined && !this.idle && this.#held === undefined)
      return this.#replace(
        'its Pod was deleted: starting another',
        graceSeconds,
      )
    this.#hold('deleted', graceSeconds)
    if (this.idle) this.#options.onForgotten()
  }

  restart(graceSeconds?: number): void {
    if (this.idle || this.#held !== undefined) this.start()
    else this.#replace('restarting it', graceSeconds)
  }

  hold(graceSeconds?: number): void {
    this.#hold('stopped', graceSeconds)
  }

  start(): void {
    const pod = this.#seen
    this.#held = undefined
    const runs = !this.idle && this.#wanted !== undefined
    if (pod === undefined || this.#stopped || runs) return
    this.#outcome = undefined
    this.#options.tries?.reset()
    this.#accept(pod)
  }

  /** Ends it for good; a further call can only shorten the grace period. */
  stop(graceSeconds?: number): void {
    this.#stopped = true
    this.#graceSeconds = graceSeconds
    if (!this.idle) this.#end()
  }

  wake(): void {
    this.#session?.wake()
  }

  #versionOf(pod: Pod): Pod {
    return this.#options.tries?.versionOf(pod) ?? pod
  }

  #move(step: Step): void {
    const next = transitions[this.#state][step]
    if (next === undefined)
      throw new Error(`a Pod that is ${this.#state}: ${step}`)
    this.#state = next
  }

  /** What has ended is started anew when it had been dropped, or is another one now. */
  #isNew(pod: Pod): boolean {
    return (
      this.#outcome === undefined ||
      this.#wanted === undefined ||
      (this.#options.recreate && this.#isOther(this.#outcome.pod, pod))
    )
  }

  #isOther(ran: Pod, wanted: Pod): boolean {
    const { tries } = this.#options
    return tries?.isOther(wanted) ?? restartingFields(ran, wanted).length > 0
  }

  #accept(pod: Pod): void {
    const { startable, notice } = this.#options
    if (!startable(pod)) return
    this.#wanted = pod
    this.#pause.abort()
    if (!this.idle) return
    if (this.#outcome !== undefined)
      notice(`${sourceName(pod)} has changed: starting it again`)
    this.#begin()
  }

  #begin(adopted?: Promise<PodSession>): void {
    const { onError, onIdle } = this.#options
    this.#move('start')
    inBackground(
      this.#work(adopted)
        .then(
          () => this.#move('rest'),
          (error: unknown) => {
            onError(error)
            this.#move('failed')
          },
        )
        .finally(onIdle),
    )
  }

  #end(graceSeconds = this.#graceSeconds): void {
    this.#move('end')
    this.#pause.abort()
    this.#session?.terminate(graceSeconds)
  }

  #hold(held: Held, graceSeconds: number | undefined): void {
    const pod = this.#wanted
    this.#held = held
    this.#wanted = undefined
    if (this.idle) return
    if (pod !== undefined)
      this.#options.notice(`${sourceName(pod)} was ${held}: ending it`)
    if (!this.#stopped) this.#graceSeconds = graceSeconds
    this.#end(graceSeconds)
  }

  /** What is wanted stays, and is started when this one has ended. */
  #replace(why: string, graceSeconds: number | undefined): void {
    if (this.#state === 'starting') {
      this.#isToBeReplaced = true
      return
    }
    const pod = this.#wanted
    if (this.#state === 'running' && pod !== undefined)
      this.#options.notice(`${sourceName(pod)}: ${why}`)
    this.#end(graceSeconds)
  }

  async #work(adopted?: Promise<PodSession>): Promise<void> {
    const { start, tries } = this.#options
    for (let begun = adopted; ; begun = undefined) {
      if (begun === undefined && tries !== undefined)
        if (!(await this.#isDue(tries))) return
      const version = this.#wanted as Pod
      this.#unapplied = undefined
      this.#isToBeReplaced = false
      if (!this.#stopped) this.#graceSeconds = undefined
      const session = await (begun ?? start(this.#versionOf(version)))
      this.#session = session
      this.#move('started')
      if (session.isTerminating === true) this.#move('end')
      if (begun === undefined) tries?.created(session.pod)
      tries?.begun(session.pod, () => this.#end())
      // What was said while it was being started.
      if (this.#stopped || this.#wanted === undefined) this.#end()
      else if (this.#isToBeReplaced) this.#end()
      else if (this.#wanted !== version) this.want(this.#wanted)
      const status = await this.#endOf(session)
      if (!this.#goesOn(session, status)) return
      if (tries === undefined) this.#move('start')
    }
  }

  /**
   * Resolves with whether what is wanted is to be started now; waits while it is not its time. It
   * may be another version afterwards.
   */
  async #isDue(tries: JobTries): Promise<boolean> {
    for (;;) {
      const wanted = this.#wanted
      const isOver = wanted === undefined || this.#stopped
      const delayMs = isOver ? undefined : tries.due(wanted)
      if (delayMs === undefined) {
        this.#noteOver(tries)
        return false
      }
      if (delayMs <= 0) {
        if (this.#state !== 'starting') this.#move('start')
        return true
      }
      if (this.#state !== 'waiting') this.#move('wait')
      this.#pause = new AbortController()
      await tries.pause(delayMs, this.#pause.signal)
    }
  }

  #noteOver(tries: JobTries): void {
    if (this.#outcome === undefined) return
    const { pod, status } = this.#outcome
    const failure = tries.failureOf(pod, status)
    const deleted = this.#wanted === undefined
    this.#outcome = { pod, status, deleted, ...(failure && { failure }) }
  }

  async #endOf(session: PodSession): Promise<PodStatus> {
    try {
      return await session.finished
    } catch (error) {
      // It has no end to compare with: as things are it is started again.
      this.#outcome = undefined
      throw error
    } finally {
      this.#session = undefined
      this.#move('ended')
      await session.close()
    }
  }

  /** Whether there is, or may be, another run. */
  #goesOn(session: PodSession, status: PodStatus): boolean {
    const { recreate, tries } = this.#options
    const { pod } = session
    const wanted = this.#wanted
    this.#outcome = { pod, status, deleted: wanted === undefined }
    if (wanted === undefined || this.#stopped) return false
    const isOther =
      recreate &&
      tries?.isScheduled !== true &&
      restartingFields(pod, this.#versionOf(wanted)).length > 0
    // It was told to end, or another version came before what had ended was undone.
    const isReplaced = isOther || this.#state === 'replacing'
    if (tries === undefined) return isReplaced
    if (isReplaced && !tries.hasEnded) tries.abandoned()
    else tries.ended(wanted, pod, status)
    if (isOther) tries.reset()
    return true
  }
}

/** Of an object that comes without a version of the store nobody knows. */
function isOtherVersion(seen: Pod | undefined, { metadata }: Pod): boolean {
  const { resourceVersion } = metadata
  return (
    resourceVersion === undefined ||
    seen?.metadata.resourceVersion !== resourceVersion
  )
}
