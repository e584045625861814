import { withServiceAccountVolume } from '../api/automount.ts'
import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import type { Pod, ServiceAccount } from '../api/types.ts'
import type { RunChoice } from '../config/settings.ts'
import type { StoreEvent } from '../store/store.ts'
import { isCronJobsPod } from './choose-pods.ts'
import { asFailure } from '../session/failures.ts'
import { imageFindings } from './image-findings.ts'
import { failureText, podName, sourceName } from './pod-notices.ts'
import {
  adoptPodSession,
  type PodSession,
  type PodSessionContext,
  startPodSession,
} from './pod-session.ts'
import { refuseChroot } from '../session/refuse-chroot.ts'
import type { LeftShim } from './shim/start-shim.ts'
import { longestOf, SupervisedPod } from './supervised-pod.ts'
import { refuseUserNamespace } from '../session/user-namespace.ts'
import { inBackground } from '../util/in-background.ts'

/** "true": the Pod is run; "false": it never is. */
const runAnnotation = 'podfs.io/run'

/** What podfs itself could not do for a Pod is tried again after this. */
const retryMs = 10_000

export interface ServedPodsOptions {
  /** For the start of a Pod, as it is at that moment. */
  readonly context: () => PodSessionContext
  readonly choice: () => RunChoice
  /** What a podfs before this one has left running. */
  readonly left: readonly LeftShim[]
  /** Of whatever it has left: a new start has a higher number, and finds nothing. */
  readonly lastRun: number
}

/** Whether a Pod of the sources is to be run. */
export function isToRun(pod: Pod, choice: RunChoice): boolean {
  const wish = pod.metadata.annotations.get(runAnnotation)
  if (choice === 'none') return false
  return choice === 'all' && !isCronJobsPod(pod)
    ? wish !== 'false'
    : wish === 'true'
}

/** What is to be said of a Pod that is not run, and that somebody may miss. */
function whyNotRun(pod: Pod, choice: RunChoice): string | undefined {
  const wish = pod.metadata.annotations.get(runAnnotation)
  if (choice === 'none' && wish === 'true')
    return `${sourceName(pod)} asks to be run, but the setting 'run' is none (podfs.service: see run-pods.conf)`
  if (choice === 'all' && isCronJobsPod(pod) && wish === undefined)
    return `${sourceName(pod)} is left out: the annotation ${runAnnotation}: "true" of its template runs it at once`
  return undefined
}

/**
 * The Pods that `podfs serve` runs: each one is brought in line with what the sources say, and
 * what goes wrong with one concerns no other, and not podfs.
 */
export class ServedPods {
  readonly #options: ServedPodsOptions
  readonly #pods = new Map<ObjectKey, SupervisedPod>()
  /** The last run of each, whose shim may remember it. */
  readonly #sessions = new Map<ObjectKey, PodSession>()
  readonly #toldNotRun = new Set<ObjectKey>()
  #unsubscribe: () => void = () => {}
  #starts: number
  #isTerminating = false
  #onIdle: () => void = () => {}

  constructor(options: ServedPodsOptions) {
    this.#options = options
    this.#starts = options.lastRun
  }

  start(): void {
    const { store } = this.#options.context()
    this.#unsubscribe = store.watch(events => this.#onEvents(events))
    for (const shim of this.#options.left) this.#adopt(shim)
    this.look()
  }

  /** The store has everything that the sources have: what is not in it is not wanted. */
  removeStrangers(): void {
    const { store } = this.#options.context()
    for (const { running } of this.#options.left) {
      const { pod } = running.plan
      if (store.get(keyOf(pod)) === undefined) this.#onPod(pod, true)
    }
  }

  /** Which Pods are to run may have changed. */
  look(): void {
    for (const pod of this.#options.context().store.list('Pod'))
      this.#onPod(pod, false)
  }

  /** Those that run. */
  get size(): number {
    return [...this.#pods.values()].filter(({ idle }) => !idle).length
  }

  /** The longest of what runs. */
  terminationSeconds(): number {
    return longestOf([...this.#pods.values()])
  }

  /**
   * Ends all as their deletion does, and resolves when they have ended; a second call kills
   * what is left.
   */
  async terminate(): Promise<void> {
    this.#unsubscribe()
    for (const supervised of this.#pods.values())
      supervised.stop(this.#isTerminating ? 0 : undefined)
    this.#isTerminating = true
    await new Promise<void>(resolve => {
      const before = this.#onIdle
      this.#onIdle = () => {
        before()
        if ([...this.#pods.values()].every(({ idle }) => idle)) resolve()
      }
      this.#onIdle()
    })
    await Promise.all(
      [...this.#sessions.keys()].map(key => this.#forgetSession(key)),
    )
  }

  #onEvents(events: readonly StoreEvent[]): void {
    for (const { type, object } of events)
      if (object.kind === 'Pod') this.#onPod(object, type === 'DELETED')
    for (const supervised of this.#pods.values()) supervised.wake()
  }

  #onPod(pod: Pod, isGone: boolean): void {
    if (this.#isTerminating) return
    const key = keyOf(pod)
    const supervised = this.#pods.get(key)
    if (!isGone && isToRun(pod, this.#options.choice())) {
      const wanted = this.#admitted(pod)
      if (supervised === undefined) this.#add(wanted)
      else supervised.want(wanted)
    } else if (supervised === undefined) {
      this.#tellNotRun(pod, isGone)
    } else {
      supervised.drop(
        isGone ? 'is gone from its files' : 'is not to be run any more',
      )
      if (supervised.idle) this.#forget(key, pod)
    }
  }

  /** Once. */
  #tellNotRun(pod: Pod, isGone: boolean): void {
    const key = keyOf(pod)
    const { choice, context } = this.#options
    const why = isGone ? undefined : whyNotRun(pod, choice())
    if (why === undefined) this.#toldNotRun.delete(key)
    else if (!this.#toldNotRun.has(key)) {
      this.#toldNotRun.add(key)
      context().notice(why)
    }
  }

  #admitted(pod: Pod): Pod {
    const { store } = this.#options.context()
    const { namespace } = pod.metadata
    const { serviceAccountName } = pod.spec
    const account = store.get(
      objectKey('ServiceAccount', namespace, serviceAccountName),
    )
    return withServiceAccountVolume(pod, account as ServiceAccount | undefined)
  }

  #adopt(shim: LeftShim): void {
    const { context } = this.#options
    const { pod } = shim.running.plan
    context().store.beginRun(pod)
    const adopt = async (): Promise<PodSession> => {
      const session = await adoptPodSession(shim, context())
      this.#sessions.set(keyOf(pod), session)
      return session
    }
    this.#supervised(pod).adopt(pod, adopt())
  }

  #add(pod: Pod): void {
    const { notice } = this.#options.context()
    if (pod.workload !== undefined)
      notice(`${sourceName(pod)} runs as one Pod, ${pod.metadata.name}`)
    this.#supervised(pod).want(pod)
  }

  #supervised(pod: Pod): SupervisedPod {
    const key = keyOf(pod)
    const { context } = this.#options
    const { notice, report, logger, clock } = context()
    const supervised = new SupervisedPod({
      start: async version => {
        refuseChroot()
        refuseUserNamespace()
        await this.#forgetSession(key)
        this.#starts += 1
        const id = `run/${this.#starts}`
        const pod = context().store.beginRun(version)
        const session = await startPodSession(pod, id, context())
        this.#sessions.set(key, session)
        return session
      },
      startable: version => {
        const findings = imageFindings(version, context().images)
        for (const finding of findings) report(finding)
        return findings.length === 0
      },
      recreate: true,
      notice,
      onIdle: () => {
        this.#tellEnd(pod, supervised)
        if (!supervised.isWanted) this.#forget(key, pod)
        this.#onIdle()
      },
      onError: thrown => {
        const error = asFailure(thrown)
        logger.error({ err: error, pod: podName(pod) }, 'a Pod could not go on')
        notice(
          `podfs could not go on with ${sourceName(pod)}, and will start it again: ${(error as Error).message}`,
        )
        clock.after(retryMs, () => {
          const { store } = context()
          const now = store.get(
            'Pod',
            pod.metadata.namespace,
            pod.metadata.name,
          )
          if (now !== undefined) this.#onPod(now, false)
        })
      },
    })
    this.#pods.set(key, supervised)
    return supervised
  }

  #tellEnd(pod: Pod, { outcome }: SupervisedPod): void {
    if (outcome === undefined) return
    const isFine =
      outcome.status.phase === 'Succeeded' ||
      outcome.deleted ||
      this.#isTerminating
    this.#options
      .context()
      .notice(
        isFine
          ? `Pod ${podName(pod)} has ended`
          : failureText(outcome.pod, outcome.status),
      )
  }

  /** Of weeks nothing is to pile up. */
  #forget(key: ObjectKey, pod: Pod): void {
    const { record, addresses } = this.#options.context()
    this.#pods.delete(key)
    record.forgetPod(key)
    addresses.release(pod)
    inBackground(this.#forgetSession(key))
  }

  async #forgetSession(key: ObjectKey): Promise<void> {
    const session = this.#sessions.get(key)
    // Not before: who ends podfs waits for it.
    try {
      await session?.forget()
    } catch (err) {
      // The next podfs clears it away. This Pod may start again, and no other is concerned.
      this.#options
        .context()
        .logger.error({ err }, 'what a Pod has left cannot be removed')
    }
    if (this.#sessions.get(key) === session) this.#sessions.delete(key)
  }
}
