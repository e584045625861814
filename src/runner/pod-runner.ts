/**
 * One Pod, from its first status to its last.
 *
 * What to do is decided by plan.ts and what to tell by pod-status.ts, both pure; the rest
 * carries the steps out and writes down what happened. There is one loop, `#sync`: it plans,
 * does the steps in order, and waits for a change. Everything that happens beside it (an
 * exit, `wake`, `terminate`) only changes a record and notifies; nothing else starts a
 * container, so no two starts ever overlap and a postStart hook holds up the next start, as
 * in the kubelet. The end, `#end`, comes after the loop, never beside it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Container, Pod } from '../api/types.ts'
import { updatedPod } from '../api/updated-pod.ts'
import { ChangeSignal } from './lifecycle/change-signal.ts'
import {
  recordFailure,
  recordReplacing,
  recordReset,
  recordSandboxLost,
  recordWake,
} from './lifecycle/container-record.ts'
import {
  ContainerStarter,
  messageOf,
  type ContainerStarterOptions,
  type PodSandbox,
} from './container-starter.ts'
import { defaultClusterDomain, podHostname } from './launch/hostname.ts'
import { readAccounts } from './launch/accounts.ts'
import { filteredContainers, rightsToTell } from './launch/rights-to-tell.ts'
import { forbiddenAppArmor } from './launch/security-labels.ts'
import { forbiddenSysctl } from './launch/sysctls.ts'
import { mountedVolumeNames, type ContainerVolume } from './launch/launch.ts'
import {
  deadlineOf,
  planPod,
  type FailedProbe,
  type KillReason,
  type Step,
} from './lifecycle/plan.ts'
import { describePod } from '../api/describe-pod.ts'
import { formatGoDuration } from '../util/go-duration.ts'
import { evictionGraceSeconds } from './lifecycle/eviction.ts'
import type { Lookout } from './lifecycle/probes/lookout.ts'
import { PodProber } from './pod-prober.ts'
import { PodState, type PodStateOptions } from './pod-state.ts'
import type { PodStatus, WrittenStatus } from './status/pod-status.ts'
import { PodTerminator } from './pod-terminator.ts'
import { watchStorage, type StorageWatchOptions } from './storage-watch.ts'
import { SandboxKeeper, type SandboxKeeperOptions } from './sandbox-keeper.ts'
import { schedulePod } from './lifecycle/schedule-pod.ts'
import { getsAnotherSandbox } from './lifecycle/sandbox-change.ts'
import {
  waitForVolumes,
  type PodVolumesOptions,
} from './lifecycle/pod-volumes.ts'
import { deferred } from '../util/deferred.ts'
import type {
  ContainerStreams,
  StreamsRequest,
} from '../streams/container-streams.ts'
import { inBackground } from '../util/in-background.ts'

export type { ContainerVolume } from './launch/launch.ts'
export type { PodEvent } from './status/pod-events.ts'

export interface PodRunnerOptions
  extends PodStateOptions, ContainerStarterOptions, SandboxKeeperOptions {
  /**
   * Where a volume of the Pod lives on the host. Resolves when it is ready; rejects with the
   * message of a FailedMount event, and is then asked again.
   */
  readonly volume: (name: string) => Promise<ContainerVolume>
  /** Where a volume will be, when that is known before it is ready; a directory. */
  readonly expectedVolume?: (name: string) => ContainerVolume | undefined
  /** The bytes in an emptyDir that is on the disk; absent: nobody looks. */
  readonly emptyDirUsage?: (name: string) => Promise<bigint>
  /** Looks after probes that are well; absent: nobody but this process. */
  readonly lookout?: Lookout
}

/** Output of a dead container that nobody closes is not waited for any longer. */
const drainMs = 1000

/** A root is not kept waiting for longer: it holds on to mounts that others may want to unmount. */
const aheadMs = 2000

export class PodRunner {
  /** The last status; resolves when nothing of the Pod is left. */
  readonly finished: Promise<PodStatus>
  /** After `start`: resolves when others are at work on the roots that are built ahead. */
  rootsBegun: Promise<void> = Promise.resolve()
  readonly #options: PodRunnerOptions
  readonly #changes: ChangeSignal
  readonly #state: PodState
  readonly #terminator: PodTerminator
  readonly #prober: PodProber
  readonly #starter: ContainerStarter
  readonly #sandbox: SandboxKeeper
  readonly #stop = new AbortController()
  /** Those that are ready; absent: there is no sandbox yet. */
  #volumes: Map<string, ContainerVolume> | undefined
  /** Those that only ephemeral containers mount, and that are waited for. */
  readonly #expected = new Set<string>()
  readonly #finished = deferred<PodStatus>()
  #begun = false

  constructor(options: PodRunnerOptions) {
    const { clock, logger, lookout } = options
    this.#options = options
    this.#changes = new ChangeSignal(clock)
    this.#state = new PodState(options)
    this.#terminator = new PodTerminator(this.#state, clock, logger)
    this.#prober = new PodProber(this.#state, clock, this.#changes, lookout)
    this.#starter = new ContainerStarter(
      options,
      this.#state,
      this.#terminator,
      this.#prober,
      this.#changes,
      this.#stop.signal,
    )
    this.#sandbox = new SandboxKeeper(options, this.#state, this.#changes, () =>
      this.#mustStop(),
    )
    this.finished = this.#finished.promise
    // Whoever waits for it may come later.
    this.finished.catch(() => undefined)
  }

  /** The first process of each container that runs now, as the host numbers it. */
  processes(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#starter.instances].map(([name, { container }]) => [
        name,
        container.pid,
      ]),
    )
  }

  /** Streams of a command in a container that runs, or of the container. Rejects with why not. */
  async open(request: StreamsRequest): Promise<ContainerStreams> {
    const { container, command } = request
    try {
      const instance = this.#starter.instances.get(container)
      if (instance === undefined)
        throw new Error(`container not found (${JSON.stringify(container)})`)
      return await instance.container.open(request)
    } catch (cause) {
      // A kubelet's words (cri-streaming, pkg/streaming/remotecommand).
      const what =
        command === undefined
          ? 'error attaching to container'
          : 'error executing command in container'
      throw new Error(`${what}: ${messageOf(cause)}`, { cause })
    }
  }

  /** Begins; returns at once. A second call does nothing. */
  start(): void {
    if (this.#begun) return
    this.#begun = true
    this.#run().catch(this.#finished.reject)
  }

  /** Objects or volumes have changed: what waits for one of them is tried again now. */
  wake(): void {
    for (const name of this.#state.records.keys()) {
      this.#state.update(name, recordWake)
    }
    this.#changes.notify()
  }

  /**
   * The Pod's newest version. Labels and annotations count at the next start of a container,
   * what may change of its spec at once; the rest stays as it was started.
   */
  updatePod(pod: Pod): void {
    const { metadata } = pod
    const before = this.#state.pod.spec.ephemeralContainers ?? []
    this.#state.pod = { ...updatedPod(this.#state.pod, pod), metadata }
    const { ephemeralContainers = [] } = this.#state.pod.spec
    const added = ephemeralContainers.slice(before.length)
    if (added.length > 0) inBackground(this.#tellRights(added))
    this.#publishNow()
    this.wake()
  }

  /** What others say of the Pod now, such as the conditions that its readiness gates name. */
  setWritten(written: WrittenStatus): void {
    this.#state.written = written
    this.#publishNow()
  }

  /** Also while it waits for something; of a Pod that has ended the last word is said. */
  #publishNow(): void {
    if (this.#begun && !this.#state.hasEnded) this.#state.publish()
  }

  /**
   * Ends the Pod: preStop, SIGTERM, grace, SIGKILL; also one that has not begun. A further
   * call can only shorten the grace period; 0 kills at once.
   */
  terminate(gracePeriodSeconds?: number): Promise<PodStatus> {
    this.#state.deleting = true
    this.#terminator.limit(gracePeriodSeconds)
    this.#stop.abort()
    this.#prober.stopKilling()
    this.#changes.notify()
    this.start()
    return this.finished
  }

  async #run(): Promise<void> {
    // One that is scheduled at once is begun at once: somebody waits for `rootsBegun`.
    if (!this.#schedule() && !(await this.#untilScheduled()))
      return this.#end('deleted')
    if (!this.#admit()) return this.#end('finished')
    inBackground(this.#tellRights())
    this.#state.publish()
    const sandbox = await this.#prepare()
    if (sandbox === undefined) {
      return this.#end(this.#state.deleting ? 'deleted' : 'deadlineExceeded')
    }
    this.#state.sandbox = 'ready'
    this.#volumes = new Map(sandbox.volumes)
    const watch = new AbortController()
    this.#watchStorage(watch.signal)
    const because = await this.#sync({ ...sandbox, volumes: this.#volumes })
    watch.abort()
    await this.#end(because)
  }

  #watchStorage(stop: AbortSignal): void {
    const { emptyDirUsage, clock, logger } = this.#options
    if (emptyDirUsage === undefined) return
    const { pod } = this.#state
    const options: StorageWatchOptions = {
      pod,
      clock,
      logger,
      emptyDirUsage,
      running: () =>
        new Map(
          [...this.#starter.instances].map(([name, { container }]) => [
            name,
            container,
          ]),
        ),
      onExceeded: message => {
        this.#state.evictionMessage = message
        this.#terminator.limit(evictionGraceSeconds)
        this.#stop.abort()
        this.#changes.notify()
      },
    }
    watchStorage(options, stop)
  }

  /** Whether the Pod is to run on this node; why not is told when it is news. */
  #schedule(): boolean {
    const state = this.#state
    const { node } = this.#options
    const { nodeName } = state.pod.spec
    const before = state.unscheduled
    // Who names a node does so in the scheduler's place.
    if (nodeName === undefined) state.unscheduled = schedulePod(state.pod, node)
    else state.unscheduled = nodeName === node.name ? undefined : 'otherNode'
    const { unscheduled } = state
    if (unscheduled === undefined) {
      if (nodeName === undefined) this.#tellScheduled()
      return true
    }
    state.publish()
    if (!isDeepStrictEqual(unscheduled, before))
      this.#tellUnscheduled(unscheduled)
    return false
  }

  #tellScheduled(): void {
    const { namespace, name } = this.#state.pod.metadata
    const { node } = this.#options
    const message = `Successfully assigned ${namespace}/${name} to ${node.name}`
    this.#state.tell('Scheduled', message)
  }

  /** What a kubelet does with a Pod when it is given one, before anything is made for it. */
  #admit(): boolean {
    const state = this.#state
    const { policy } = this.#options
    const { allowedUnsafeSysctls } = policy
    const why = {
      SysctlForbidden: forbiddenSysctl(state.pod, allowedUnsafeSysctls),
      AppArmor: forbiddenAppArmor(state.pod),
    }
    for (const [reason, message] of Object.entries(why)) {
      if (message === undefined) continue
      state.rejection = { reason, message }
      state.warn(reason, message)
      return false
    }
    return true
  }

  /**
   * What a manifest asks for and somebody may not expect, or does not get; or what these containers
   * do, which have come later.
   */
  async #tellRights(added?: readonly Container[]): Promise<void> {
    const { runtime, logger, network } = this.#options
    const pod =
      added === undefined ? this.#state.pod : withOnly(this.#state.pod, added)
    const { namespace, name } = pod.metadata
    const filters =
      filteredContainers(pod).length === 0 ||
      (await runtime.filtersSyscalls?.().catch(() => false)) === true
    const ownNetwork = network !== undefined && !pod.spec.hostNetwork
    const nested = readAccounts().idMaps !== undefined
    for (const told of rightsToTell(pod, { filters, ownNetwork, nested }))
      logger.warn({ namespace, pod: name }, told)
  }

  /** A cluster has an event in one case only; who runs podfs would wait, and not know for what. */
  #tellUnscheduled(unscheduled: NonNullable<PodState['unscheduled']>): void {
    const { logger, node } = this.#options
    const { metadata, spec } = this.#state.pod
    const about = { namespace: metadata.namespace, pod: metadata.name }
    if (unscheduled === 'otherNode')
      logger.warn(
        { ...about, nodeName: spec.nodeName, node: node.name },
        'the Pod is for another node, and does not run here; take spec.nodeName out of what was exported from a cluster',
      )
    else if (unscheduled.reason === 'Unschedulable')
      this.#state.warn('FailedScheduling', unscheduled.message)
    else
      logger.warn(
        { ...about, gates: spec.schedulingGates?.map(({ name }) => name) },
        'the Pod does not run before its scheduling gates are gone',
      )
  }

  /** Resolves with false when the Pod is to go before. */
  async #untilScheduled(): Promise<boolean> {
    do {
      if (this.#state.deleting) return false
      await this.#changes.wait(this.#changes.version)
    } while (!this.#schedule())
    this.#state.startTime = this.#options.clock.now()
    return true
  }

  /** Volumes, then the sandbox; undefined when the Pod is to stop before that is done. */
  async #prepare(): Promise<PodSandbox | undefined> {
    const { pod, startTime } = this.#state
    const { clock } = this.#options
    const deadline = deadlineOf(pod, startTime)
    const timer =
      deadline === undefined
        ? undefined
        : clock.after(deadline - clock.now(), () => this.#changes.notify())
    try {
      const names = mountedVolumeNames(pod)
      const ready = waitForVolumes(names, this.#volumeOptions())
      this.#sandbox.begin()
      this.#buildAhead(names, ready)
      const volumes = await ready
      if (this.#mustStop()) return undefined
      const hostname = await this.#sandbox.created()
      if (hostname === undefined || this.#mustStop()) return undefined
      return { volumes, hostname }
    } finally {
      timer?.cancel()
    }
  }

  /** `ready` resolves with the volumes that are ready: all of them, unless the Pod is to stop. */
  #buildAhead(
    names: readonly string[],
    ready: Promise<ReadonlyMap<string, ContainerVolume>>,
  ): void {
    const { expectedVolume, clusterDomain, clock } = this.#options
    if (expectedVolume === undefined) return
    const volumes = new Map(
      names.flatMap(name => {
        const volume = expectedVolume(name)
        return volume === undefined ? [] : [[name, volume] as const]
      }),
    )
    const timer = new AbortController()
    const tooLong = clock.sleep(aheadMs, timer.signal).then(() => {
      throw new Error('the volumes are not there yet')
    })
    const allReady = async (): Promise<void> => {
      const { size } = await ready
      timer.abort()
      if (size < names.length) throw new Error('the Pod has ended')
    }
    const soon = Promise.race([allReady(), tooLong])
    soon.catch(() => undefined)
    try {
      const { pod } = this.#state
      const hostname = podHostname(pod, clusterDomain ?? defaultClusterDomain)
      this.rootsBegun = this.#starter.buildAhead(
        this.#startedBy(this.#plan()),
        { volumes, hostname },
        soon,
      )
    } catch {
      // A hostname that the kernel would not take: told when its turn comes.
    }
  }

  /** Resolves with why the Pod has to end. */
  async #sync(sandbox: PodSandbox): Promise<KillReason> {
    for (;;) {
      const seen = this.#changes.version
      this.#expectVolumes()
      const steps = this.#plan()
      this.#state.publish()
      if (this.#sandbox.isLost && steps[0]?.step !== 'killPod') {
        if (await this.#replaceSandbox()) continue
        return 'finished'
      }
      let until: number | undefined
      this.#starter.prepare(this.#startedBy(steps), sandbox)
      for (const step of steps) {
        if (step.step === 'killPod') return step.because
        if (step.step === 'waitUntil') until = step.time
        else await this.#carryOut(step, sandbox)
      }
      // What was started, or failed to, may allow the next step at once.
      const acted = steps.some(({ step }) => step !== 'waitUntil')
      if (!acted) await this.#changes.wait(seen, this.#left(until))
    }
  }

  /** What the Pod was not prepared with. */
  #expectVolumes(): void {
    const { ephemeralContainers = [] } = this.#state.pod.spec
    const volumes = this.#volumes
    for (const { name } of ephemeralContainers.flatMap(
      ({ volumeMounts }) => volumeMounts,
    )) {
      if (volumes === undefined || volumes.has(name)) continue
      if (this.#expected.has(name)) continue
      this.#expected.add(name)
      inBackground(this.#expectVolume(name, volumes))
    }
  }

  async #expectVolume(
    name: string,
    volumes: Map<string, ContainerVolume>,
  ): Promise<void> {
    const ready = await waitForVolumes([name], this.#volumeOptions())
    for (const [each, volume] of ready) volumes.set(each, volume)
    this.#changes.notify()
  }

  #volumeOptions(): PodVolumesOptions {
    const { volume } = this.#options
    return {
      volume: name => volume(name),
      changes: this.#changes,
      onFailedMount: message => this.#state.warn('FailedMount', message),
      stopped: () => this.#mustStop(),
    }
  }

  /**
   * As in one sync of a kubelet: whoever runs is ended with the grace period, then all begins anew
   * in another sandbox. Resolves with false when the Pod ends instead.
   */
  async #replaceSandbox(): Promise<boolean> {
    const state = this.#state
    state.sandbox = 'stopped'
    state.publish()
    // With the PID namespace the kernel has killed them: nobody is left to be stopped.
    if (state.pod.spec.shareProcessNamespace)
      await Promise.all(
        [...this.#starter.instances.values()].map(({ gone }) => gone),
      )
    const isAnew = getsAnotherSandbox(state.pod, state.records)
    if (isAnew)
      state.tell(
        'SandboxChanged',
        'Pod sandbox changed, it will be killed and re-created.',
      )
    for (const name of state.records.keys())
      state.update(name, recordSandboxLost)
    await this.#terminator.terminate(this.#starter.instances)
    if (!isAnew) return false
    if (!this.#mustStop() && (await this.#sandbox.created()) !== undefined)
      state.sandbox = 'ready'
    return true
  }

  #left(until: number | undefined): number | undefined {
    return until === undefined ? undefined : until - this.#options.clock.now()
  }

  #startedBy(steps: readonly Step[]): readonly Container[] {
    return steps
      .filter(step => step.step === 'start')
      .map(step => this.#state.container(step.container))
  }

  #plan(): readonly Step[] {
    const { pod, records, startTime, deleting, backoff } = this.#state
    const now = this.#options.clock.now()
    const isEvicted = this.#state.evictionMessage !== undefined
    return planPod({
      pod,
      records,
      startTime,
      now,
      deleting,
      isEvicted,
      backoff,
      ...(this.#volumes && { volumes: this.#volumes }),
    })
  }

  #mustStop(): boolean {
    return this.#plan().some(
      step =>
        step.step === 'killPod' &&
        ['deleted', 'deadlineExceeded', 'evicted'].includes(step.because),
    )
  }

  async #carryOut(
    step: Exclude<Step, { step: 'waitUntil' | 'killPod' }>,
    sandbox: PodSandbox,
  ): Promise<void> {
    // The steps before it may have taken long.
    if (this.#mustStop()) return
    switch (step.step) {
      case 'kill':
        return await this.#kill(step)
      case 'start': {
        const container = this.#state.container(step.container)
        return await this.#starter.start(container, sandbox)
      }
      case 'restartAll':
        return await this.#restartAll(step.container)
      case 'backOff':
        return this.#noteBackOff(step.container, step.delayMs)
    }
  }

  /** Its probe has failed: with its preStop, and the grace period of the probe. */
  async #kill({
    container: name,
    because,
    restart,
  }: Extract<Step, { step: 'kill' }>): Promise<void> {
    const instance = this.#starter.instances.get(name)
    // It has just ended by itself.
    if (instance === undefined) return
    if (restart) this.#state.update(name, recordReplacing)
    const container = this.#state.container(name)
    await this.#terminator.terminate(new Map([[name, instance]]), {
      reason: this.#killingText(container, because, restart),
      gracePeriodSeconds:
        container[`${because}Probe`]?.terminationGracePeriodSeconds,
    })
  }

  /** This is to be quick: in no order, and without preStop hooks and a grace period. */
  async #restartAll(trigger: string): Promise<void> {
    const state = this.#state
    state.isRestartingAll = true
    state.publish()
    const { instances } = this.#starter
    await this.#terminator.terminate(instances, { gracePeriodSeconds: 0 })
    state.isRestartingAll = false
    if (this.#mustStop()) return
    const now = this.#options.clock.now()
    for (const name of state.records.keys()) {
      if (state.isEphemeral(name)) continue
      state.update(name, record =>
        recordReset(record, now, name === trigger, state.backoff),
      )
    }
  }

  #noteBackOff(name: string, delayMs: number): void {
    const pod = describePod(this.#state.pod)
    const delay = formatGoDuration(delayMs)
    const message = `back-off ${delay} restarting failed container=${name} pod=${pod}`
    this.#state.update(name, record =>
      recordFailure(record, { reason: 'CrashLoopBackOff', message }),
    )
    this.#state.warn(
      'BackOff',
      `Back-off restarting failed container ${name} in pod ${pod}`,
      name,
    )
  }

  async #end(because: KillReason): Promise<void> {
    const { logger, runtime } = this.#options
    const state = this.#state
    this.#prober.stopKilling()
    if (because === 'deadlineExceeded') {
      const message =
        'Pod was active on the node longer than the specified deadline'
      state.failure = { reason: 'DeadlineExceeded', message }
      state.tell('DeadlineExceeded', message)
    }
    if (because === 'evicted') {
      const message = state.evictionMessage ?? ''
      state.failure = { reason: 'Evicted', message }
      state.warn('Evicted', message)
    }
    state.publish()
    await this.#terminator.terminate(this.#starter.instances)
    try {
      await runtime.close()
    } catch (err) {
      logger.error({ err }, 'cannot remove what was made for the Pod')
    }
    await this.#drained()
    if (state.sandbox === 'ready') state.sandbox = 'stopped'
    state.hasEnded = true
    this.#finished.resolve(state.publish())
  }

  async #drained(): Promise<void> {
    const timer = new AbortController()
    const tooLong = this.#options.clock
      .sleep(drainMs, timer.signal)
      .catch(() => undefined)
    await Promise.race([this.#starter.drained(), tooLong])
    timer.abort()
  }

  /** Only of a regular container it is said what comes next (computePodActions). */
  #killingText(
    { name }: Container,
    because: FailedProbe,
    restart: boolean,
  ): string {
    const { initContainers } = this.#state.pod.spec
    if (initContainers.some(init => init.name === name))
      return `Init container ${name} failed ${because} probe`
    return `Container ${name} failed ${because} probe${restart ? ', will be restarted' : ''}`
  }
}

/** The Pod's own rights have been told of. */
function withOnly(pod: Pod, containers: readonly Container[]): Pod {
  const { sysctls: _, ...securityContext } = pod.spec.securityContext
  const spec = { ...pod.spec, securityContext, initContainers: [], containers }
  return { ...pod, spec }
}
