import { restartingFields } from '../api/changed-fields.ts'
import type { Pod } from '../api/types.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { longestDeletionSeconds } from '../runner/lifecycle/termination.ts'
import { listFields, sourceName, UnappliedChanges } from './pod-notices.ts'
import type { PodSession } from './pod-session.ts'
import { inBackground } from '../util/in-background.ts'

export interface PodOutcome {
  /** As it was last started. */
  readonly pod: Pod
  readonly status: PodStatus
  /** It went because it was no longer wanted: then its end is no failure. */
  readonly deleted: boolean
}

interface SupervisedPodOptions {
  readonly start: (pod: Pod) => Promise<PodSession>
  /** Whether the Pod can be started at all; tells the person when it cannot. */
  readonly startable: (pod: Pod) => boolean
  /** False: a change of the spec is only told. */
  readonly recreate: boolean
  readonly notice: (text: string) => void
  /** It has ended, and is not started again as things are. */
  readonly onIdle: () => void
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
export class SupervisedPod {
  readonly #options: SupervisedPodOptions
  #wanted: Pod | undefined
  #running: PodSession | undefined
  /** What runs is on its way out because we said so. */
  #ending = false
  /** The person at the terminal has ended it: nothing is started any more. */
  #stopped = false
  #graceSeconds: number | undefined
  #isWorking = false
  #unapplied: UnappliedChanges | undefined
  #outcome: PodOutcome | undefined

  constructor(options: SupervisedPodOptions) {
    this.#options = options
  }

  get idle(): boolean {
    return !this.#isWorking
  }

  /** The files say that it is to be there. */
  get isWanted(): boolean {
    return this.#wanted !== undefined
  }

  /** Of its last run; undefined before there was one. */
  get outcome(): PodOutcome | undefined {
    return this.#outcome
  }

  /** The Pod that runs, or else ran last. */
  get pod(): Pod | undefined {
    return this.#running?.pod ?? this.#outcome?.pod
  }

  /** It runs already, as a podfs before this one has left it. */
  adopt(pod: Pod, session: Promise<PodSession>): void {
    this.#wanted = pod
    this.#begin(session)
  }

  /** The files say this now. */
  want(pod: Pod): void {
    if (this.#stopped) return
    const running = this.#running
    if (running === undefined || this.#ending) {
      // Nothing to compare with: the loop, or the start of one, looks.
      if (this.#isWorking || this.#isNew(pod)) this.#accept(pod)
      return
    }
    const fields = restartingFields(running.pod, pod)
    if (!this.#options.recreate) {
      this.#wanted = pod
      this.#unapplied ??= new UnappliedChanges(
        running.pod,
        this.#options.notice,
      )
      this.#unapplied.look(pod)
      running.update(pod)
    } else if (fields.length === 0) {
      this.#wanted = pod
      running.update(pod)
    } else if (this.#options.startable(pod)) {
      this.#wanted = pod
      this.#options.notice(
        `${sourceName(pod)} changed (${listFields(fields)}): restarting ${pod.workload === undefined ? 'it' : 'its Pod'}`,
      )
      this.#end()
    }
  }

  /** It is no longer wanted; `why` completes `Pod default/web ...: ending it`. */
  drop(why: string): void {
    if (this.#wanted === undefined) return
    const pod = this.#wanted
    this.#wanted = undefined
    if (!this.#isWorking || this.#stopped) return
    this.#options.notice(`${sourceName(pod)} ${why}: ending it`)
    this.#end()
  }

  /** Ends it for good; a further call can only shorten the grace period. */
  stop(graceSeconds?: number): void {
    this.#stopped = true
    this.#graceSeconds = graceSeconds
    this.#end()
  }

  wake(): void {
    this.#running?.wake()
  }

  /** What has ended is started anew when it had been dropped, or is another one now. */
  #isNew(pod: Pod): boolean {
    return (
      this.#outcome === undefined ||
      this.#wanted === undefined ||
      (this.#options.recreate &&
        restartingFields(this.#outcome.pod, pod).length > 0)
    )
  }

  #accept(pod: Pod): void {
    const { startable, notice } = this.#options
    if (!startable(pod)) return
    this.#wanted = pod
    if (this.#isWorking) return
    if (this.#outcome !== undefined)
      notice(`${sourceName(pod)} has changed: starting it again`)
    this.#begin()
  }

  #begin(adopted?: Promise<PodSession>): void {
    const { onError, onIdle } = this.#options
    this.#isWorking = true
    inBackground(
      this.#work(adopted)
        .catch(onError)
        .finally(() => {
          this.#isWorking = false
          onIdle()
        }),
    )
  }

  #end(): void {
    this.#ending = true
    this.#running?.terminate(this.#graceSeconds)
  }

  async #work(adopted?: Promise<PodSession>): Promise<void> {
    const { start } = this.#options
    let next = this.#wanted
    while (next !== undefined && !this.#stopped) {
      this.#ending = false
      this.#unapplied = undefined
      const session = await (adopted ?? start(next))
      adopted = undefined
      this.#running = session
      this.#ending = session.isTerminating === true
      // What was said while it was being started.
      if (this.#stopped || this.#wanted === undefined) this.#end()
      else if (this.#wanted !== next) this.want(this.#wanted)
      const status = await this.#endOf(session)
      const deleted = this.#wanted === undefined
      this.#outcome = { pod: session.pod, status, deleted }
      next =
        this.#ending || this.#changedSince(session) ? this.#wanted : undefined
    }
  }

  async #endOf(session: PodSession): Promise<PodStatus> {
    try {
      return await session.finished
    } catch (error) {
      // It has no end to compare with: as things are it is started again.
      this.#outcome = undefined
      throw error
    } finally {
      this.#running = undefined
      await session.close()
    }
  }

  /** It ended by itself, and another version came before that was tidied up. */
  #changedSince({ pod }: PodSession): boolean {
    return (
      this.#options.recreate &&
      this.#wanted !== undefined &&
      restartingFields(pod, this.#wanted).length > 0
    )
  }
}
