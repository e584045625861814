import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import type { CronRules, Pod } from '../api/types.ts'
import { refuseChroot } from '../session/refuse-chroot.ts'
import type { ControlledPod, Held, PodControl } from '../server/pod-control.ts'
import type { StoreEvent } from '../store/store.ts'
import { inBackground } from '../util/in-background.ts'
import type { Schedule } from './cron-schedule.ts'
import { imageFindings } from './image-findings.ts'
import { JobTries } from './job-tries.ts'
import { limitsTeller, rootFilesTeller } from './limit-notices.ts'
import { podName, sourceName } from './pod-notices.ts'
import { startingReplica } from './replicas.ts'
import { failureOf, type PodOutcome } from './pod-outcome.ts'
import {
  adoptPodSession,
  type PodSession,
  type PodSessionContext,
  startPodSession,
} from './pod-session.ts'
import type { LeftShim } from './shim/start-shim.ts'
import { longestOf, SupervisedPod } from './supervised-pod.ts'

/** Where the fleets of `podfs run` and `podfs serve` differ. */
export interface FleetPolicy {
  /**
   * Whether a Pod of the sources is to run; `isKnown`: it, or another one of its workload, is one
   * of the fleet's already.
   */
  isToRun(pod: Pod, isKnown: boolean): boolean
  /** What is to be said, once, of a Pod that is not run, and that somebody may miss. */
  whyNotRun(pod: Pod): string | undefined
  /** Completes `Pod default/web ...: ending it`, of one that the sources still have. */
  readonly notToRun: string
  /** What is to be said of a Pod that has come later. */
  welcome(pod: Pod): string | undefined
  /** As it is wanted, with what an API server would have added. */
  admitted(pod: Pod): Pod
  /** False: a change of the spec is only told. */
  readonly recreate: boolean
  /**
   * The time-table of a CronJob, for which it waits, as a suspended Job waits for its resumption.
   * Absent: they run when they are told to.
   */
  readonly schedule?: (rules: CronRules) => Schedule
  /** Of weeks nothing is to pile up: a Pod that has ended and is not wanted is forgotten. */
  readonly forgets: boolean
  /** Whether the end of a Pod is worth a line, in a fleet of this size. */
  tellsEnds(size: number): boolean
  /** The containers of this version are about to be started; it may be one that runs already. */
  onContainers(pod: Pod): void
  /** podfs itself could not go on with a Pod; `again` looks at it once more. */
  onError(error: unknown, pod: Pod, again: () => void): void
}

export interface PodFleetOptions {
  /** For the start of a Pod, as it is at that moment. */
  readonly context: () => PodSessionContext
  readonly policy: FleetPolicy
  /** What a podfs before this one has left running. */
  readonly left?: readonly LeftShim[]
  /** Of whatever it has left: a new start has a higher number, and finds nothing. */
  readonly lastRun?: number
  /** A Pod has ended, and is not started again as things are. */
  readonly onIdle?: () => void
}

/**
 * The Pods of one podfs: which there are, and what an event means for each. Each is brought in
 * line with what the sources say, and what goes wrong with one concerns no other.
 */
export class PodFleet implements PodControl {
  readonly #options: PodFleetOptions
  readonly #pods = new Map<ObjectKey, SupervisedPod>()
  /** The last run of each, whose shim may remember it. */
  readonly #sessions = new Map<ObjectKey, PodSession>()
  readonly #workloads = new Set<ObjectKey>()
  readonly #toldNotRun = new Set<ObjectKey>()
  readonly #tellMissingLimits = limitsTeller(text =>
    this.#options.context().notice(text),
  )
  readonly #tellRootFiles = rootFilesTeller(text =>
    this.#options.context().notice(text),
  )
  #unfollow: () => void = () => {}
  #starts: number
  #isTerminating = false
  #waiting: (() => void)[] = []

  constructor(options: PodFleetOptions) {
    this.#options = options
    this.#starts = options.lastRun ?? 0
  }

  /** From now on what changes in the store changes the fleet. */
  follow(): void {
    const { store } = this.#options.context()
    this.#unfollow = store.watch(events => this.#onEvents(events))
  }

  /** Goes on with what a podfs before this one has left; resolves when all of it is known. */
  async adoptLeft(): Promise<void> {
    const { left = [] } = this.#options
    await Promise.allSettled(left.map(shim => this.#adopt(shim)))
  }

  /** Which Pods are to run may have changed. */
  look(): void {
    for (const pod of this.#options.context().store.list('Pod'))
      this.#onPod(pod, false)
  }

  /** The store has everything that the sources have: what is not in it is not wanted. */
  removeStrangers(): void {
    const { store } = this.#options.context()
    for (const { running } of this.#options.left ?? []) {
      const { pod } = running.plan
      if (store.get(keyOf(pod)) === undefined) this.#onPod(pod, true)
    }
  }

  /** Runs a Pod, whatever the policy says of it. */
  add(pod: Pod): void {
    const { notice, hostRoot } = this.#options.context()
    const workload = workloadKey(pod)
    if (workload !== undefined) {
      this.#workloads.add(workload)
      notice(startingReplica(pod) ?? `${sourceName(pod)} ${howItRuns(pod)}`)
    }
    this.#tellMissingLimits(pod)
    this.#tellRootFiles(hostRoot)
    this.#supervised(pod).want(pod)
  }

  /** Says why it is not run; once, until it is gone or to be run. */
  leaveOut(pod: Pod): void {
    const key = keyOf(pod)
    const why = this.#options.policy.whyNotRun(pod)
    if (why === undefined) this.#toldNotRun.delete(key)
    else if (!this.#toldNotRun.has(key)) {
      this.#toldNotRun.add(key)
      this.#options.context().notice(why)
    }
  }

  /** Those that run, or will by themselves. */
  get running(): number {
    return this.#all.filter(({ idle }) => !idle).length
  }

  /** Of these: they wait for their time. */
  get waiting(): number {
    return this.#all.filter(({ isWaiting }) => isWaiting).length
  }

  get size(): number {
    return this.#pods.size
  }

  /** Of each Pod that has ended and is not forgotten, its last run. */
  get outcomes(): readonly PodOutcome[] {
    return this.#all.flatMap(({ outcome }) => outcome ?? [])
  }

  get isTerminating(): boolean {
    return this.#isTerminating
  }

  find(key: ObjectKey): ControlledPod | undefined {
    const found = this.#pods.get(key)
    // One that could not be started is as one that is not run.
    const isKnown =
      found !== undefined &&
      (!found.idle || found.pod !== undefined || found.held !== undefined)
    return isKnown ? found : undefined
  }

  held(key: ObjectKey): Held | undefined {
    return this.#pods.get(key)?.held
  }

  /** The longest of what runs. */
  terminationSeconds(): number {
    return longestOf(this.#all)
  }

  /**
   * Ends all as their deletion does, and resolves when they have ended; a second call kills
   * what is left.
   */
  async terminate(): Promise<void> {
    this.#unfollow()
    for (const supervised of this.#all)
      supervised.stop(this.#isTerminating ? 0 : undefined)
    this.#isTerminating = true
    while (this.running > 0)
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    await Promise.all(
      [...this.#sessions.keys()].map(key => this.#forgetSession(key)),
    )
  }

  /** Whatever still runs, because podfs itself failed, is killed. */
  async kill(): Promise<void> {
    this.#isTerminating = true
    await this.terminate()
  }

  get #all(): readonly SupervisedPod[] {
    return [...this.#pods.values()]
  }

  #onEvents(events: readonly StoreEvent[]): void {
    for (const { type, object } of events)
      if (object.kind === 'Pod') this.#onPod(object, type === 'DELETED')
    for (const supervised of this.#all) supervised.wake()
  }

  #onPod(pod: Pod, isGone: boolean): void {
    if (this.#isTerminating) return
    const { policy } = this.#options
    const key = keyOf(pod)
    const supervised = this.#pods.get(key)
    const workload = workloadKey(pod)
    const isKnown =
      supervised !== undefined ||
      (workload !== undefined && this.#workloads.has(workload))
    if (!isGone && policy.isToRun(pod, isKnown)) {
      const wanted = policy.admitted(pod)
      if (supervised === undefined) this.#meet(wanted)
      else supervised.want(wanted)
    } else if (supervised === undefined) {
      if (isGone) this.#toldNotRun.delete(key)
      else this.leaveOut(pod)
    } else {
      const isFewer = isGone && this.#isFewer(pod)
      if (isFewer) supervised.drop('is scaled down', `Pod ${podName(pod)}`)
      else supervised.drop(isGone ? 'is gone from its files' : policy.notToRun)
      if (!supervised.idle) return
      if (isFewer) this.#forgetHeld(key, pod)
      else this.#forget(key, pod)
    }
  }

  /** Its workload was scaled, and has fewer Pods now. */
  #isFewer(pod: Pod): boolean {
    const workload = workloadKey(pod)
    const { record, store } = this.#options.context()
    return (
      workload !== undefined &&
      record.replicas.has(workload) &&
      store.get(workload) !== undefined
    )
  }

  #meet(pod: Pod): void {
    const { context, policy } = this.#options
    const welcome =
      startingReplica(pod) === undefined ? policy.welcome(pod) : undefined
    if (welcome !== undefined) context().notice(welcome)
    this.add(pod)
  }

  #adopt(shim: LeftShim): Promise<PodSession> {
    const { context } = this.#options
    const { pod } = shim.running.plan
    context().store.beginRun(pod)
    const adopt = async (): Promise<PodSession> => {
      const session = await adoptPodSession(shim, context())
      this.#sessions.set(keyOf(pod), session)
      return session
    }
    const adopted = adopt()
    this.#supervised(pod).adopt(pod, adopted)
    return adopted
  }

  #supervised(pod: Pod): SupervisedPod {
    const key = keyOf(pod)
    const { context, policy } = this.#options
    const { notice, report } = context()
    const supervised = new SupervisedPod({
      start: version => this.#start(version),
      startable: version => {
        const findings = imageFindings(version, context().images)
        for (const finding of findings) report(finding)
        return findings.length === 0
      },
      recreate: policy.recreate,
      ...(pod.workload?.job && { tries: this.#triesOf() }),
      notice,
      onUpdated: updated => policy.onContainers(updated),
      onIdle: () => {
        this.#tellEnd(pod, supervised)
        if (supervised.held !== undefined) this.#forgetHeld(key, pod)
        else if (!supervised.isWanted) this.#forget(key, pod)
        for (const tell of this.#waiting.splice(0)) tell()
        this.#options.onIdle?.()
      },
      onForgotten: () => this.#forgetHeld(key, pod),
      onError: error => policy.onError(error, pod, () => this.#lookAt(key)),
    })
    this.#pods.set(key, supervised)
    return supervised
  }

  #triesOf(): JobTries {
    const { context, policy } = this.#options
    const { clock, record, store, notice } = context()
    return new JobTries({
      clock,
      record,
      store,
      notice,
      backoffScale: () => context().backoffScale,
      ...(policy.schedule && { schedule: policy.schedule }),
    })
  }

  async #start(version: Pod): Promise<PodSession> {
    const { context, policy } = this.#options
    const key = keyOf(version)
    refuseChroot()
    await this.#forgetSession(key)
    this.#starts += 1
    const id = `run/${this.#starts}`
    const pod = context().store.beginRun(version)
    policy.onContainers(pod)
    const session = await startPodSession(pod, id, context())
    this.#sessions.set(key, session)
    return session
  }

  #lookAt(key: ObjectKey): void {
    const now = this.#options.context().store.get(key)
    if (now?.kind === 'Pod') this.#onPod(now, false)
  }

  #tellEnd(pod: Pod, { outcome }: SupervisedPod): void {
    if (outcome === undefined) return
    if (!this.#options.policy.tellsEnds(this.size)) return
    const failure = failureOf(outcome)
    this.#options
      .context()
      .notice(
        failure === undefined || this.#isTerminating
          ? `Pod ${podName(pod)} has ended`
          : failure,
      )
  }

  #forget(key: ObjectKey, pod: Pod): void {
    if (!this.#options.policy.forgets) return
    const { record, addresses } = this.#options.context()
    // Of one that is held by hand that is to be remembered.
    if (this.#pods.get(key)?.held === undefined) this.#pods.delete(key)
    record.forgetPod(key)
    record.forgetJob(pod)
    addresses.release(pod)
    inBackground(this.#forgetSession(key))
  }

  /** Also one that had ended by itself, and was to be looked at. */
  #forgetHeld(key: ObjectKey, pod: Pod): void {
    const { record } = this.#options.context()
    record.forgetPod(key)
    this.#forget(key, pod)
    record.lookAgain(key)
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

function workloadKey({ workload, metadata }: Pod): ObjectKey | undefined {
  return workload && objectKey(workload.kind, metadata.namespace, workload.name)
}

function howItRuns({ workload, metadata }: Pod): string {
  return (workload?.job?.completions ?? 1) > 1
    ? `runs its Pods one after the other, each as ${metadata.name}`
    : `runs as one Pod, ${metadata.name}`
}
