import { withServiceAccountVolume } from '../api/automount.ts'
import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import type { Pod, ServiceAccount } from '../api/types.ts'
import type { RunChoice } from '../config/settings.ts'
import type { StoreEvent } from '../store/store.ts'
import { asFailure } from './failures.ts'
import { imageFindings } from './image-findings.ts'
import { failureText, podName, sourceName } from './pod-notices.ts'
import { startPodSession, type PodSessionContext } from './pod-session.ts'
import { refuseChroot } from './refuse-chroot.ts'
import { SupervisedPod } from './supervised-pod.ts'

/** "true": the Pod is run; "false": it never is. */
const runAnnotation = 'podfs.io/run'

/** What podfs itself could not do for a Pod is tried again after this. */
const retryMs = 10_000

export interface ServedPodsOptions {
  /** For the start of a Pod, as it is at that moment. */
  readonly context: () => PodSessionContext
  readonly choice: () => RunChoice
}

/** Whether a Pod of the sources is to be run. */
export function isToRun({ metadata }: Pod, choice: RunChoice): boolean {
  const wish = metadata.annotations.get(runAnnotation)
  if (choice === 'none') return false
  return choice === 'all' ? wish !== 'false' : wish === 'true'
}

/**
 * The Pods that `podfs serve` runs: each one is brought in line with what the sources say, and
 * what goes wrong with one concerns no other, and not podfs.
 */
export class ServedPods {
  readonly #options: ServedPodsOptions
  readonly #pods = new Map<ObjectKey, SupervisedPod>()
  readonly #toldNotRun = new Set<ObjectKey>()
  #unsubscribe: () => void = () => {}
  #starts = 0
  #isTerminating = false
  #onIdle: () => void = () => {}

  constructor(options: ServedPodsOptions) {
    this.#options = options
  }

  start(): void {
    const { store } = this.#options.context()
    this.#unsubscribe = store.watch(events => this.#onEvents(events))
    this.look()
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
  gracePeriodSeconds(): number {
    return Math.max(
      0,
      ...[...this.#pods.values()]
        .filter(({ idle }) => !idle)
        .map(({ pod }) => pod?.spec.terminationGracePeriodSeconds ?? 0),
    )
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
      if (supervised === undefined) this.#add(key, wanted)
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

  /** Once, of a Pod that says that it wants to be run. */
  #tellNotRun(pod: Pod, isGone: boolean): void {
    const key = keyOf(pod)
    if (isGone || !isToRun(pod, 'annotated')) this.#toldNotRun.delete(key)
    else if (!this.#toldNotRun.has(key)) {
      this.#toldNotRun.add(key)
      this.#options
        .context()
        .notice(
          `${sourceName(pod)} asks to be run, but the setting 'run' is none (podfs.service: see run-pods.conf)`,
        )
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

  #add(key: ObjectKey, pod: Pod): void {
    const { context } = this.#options
    const { notice, report, logger, clock } = context()
    if (pod.workload !== undefined)
      notice(`${sourceName(pod)} runs as one Pod, ${pod.metadata.name}`)
    const supervised = new SupervisedPod({
      start: async version => {
        refuseChroot()
        this.#starts += 1
        return await startPodSession(version, `run/${this.#starts}`, context())
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
        logger.error({ err: error, pod: podName(pod) }, 'Pod not started')
        notice(
          `${sourceName(pod)} could not be started: ${(error as Error).message}`,
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
    supervised.want(pod)
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
  }
}
