/**
 * One Pod, from its first status to its last.
 *
 * What to do is decided by plan.ts and what to tell by pod-status.ts, both pure; this file
 * carries the steps out and writes down what happened. There is one loop, `#sync`: it plans,
 * does the steps in order, and waits for a change. Everything that happens beside it (an
 * exit, `wake`, `terminate`) only changes a record and notifies; nothing else starts a
 * container, so no two starts ever overlap and a postStart hook holds up the next start, as
 * in the kubelet. The end, `#end`, comes after the loop, never beside it.
 */
import { randomBytes } from 'node:crypto'
import { hostname as machineHostname } from 'node:os'

import type {
  ConfigMap,
  Container,
  NodeInfo,
  Pod,
  Secret,
} from '../api/types.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { readAccounts } from './accounts.ts'
import { ChangeSignal } from './change-signal.ts'
import {
  configRetryMs,
  newRecord,
  recordExited,
  recordFailure,
  recordStarted,
  recordStartError,
  recordWake,
  type ContainerRecord,
} from './container-record.ts'
import { defaultPath } from './environment.ts'
import { RunnerError } from './errors.ts'
import { GracePeriod } from './grace-period.ts'
import { runHook } from './hooks/run-hook.ts'
import {
  defaultClusterDomain,
  podHostname,
  type PodHostname,
} from './hostname.ts'
import {
  hostNetworkHostsFileContent,
  managedHostsFileContent,
  writeHostsFile,
} from './hosts-file.ts'
import type { ImageMap } from './images.ts'
import { watchInstance, type Instance } from './instance.ts'
import {
  containerLaunch,
  mountedVolumeNames,
  type MountedVolume,
} from './launch.ts'
import type { OutputStream } from './output-lines.ts'
import { deadlineOf, planPod, type KillReason, type Step } from './plan.ts'
import {
  containerFieldPath,
  describePod,
  formatGoDuration,
  type PodEvent,
} from './pod-events.ts'
import { podStatus, type PodStatus } from './pod-status.ts'
import { waitForVolumes } from './pod-volumes.ts'
import type {
  ContainerLaunch,
  ContainerRuntime,
} from './sandbox/container-runtime.ts'
import { terminateContainer } from './termination.ts'
import { terminatesAfter } from './termination-order.ts'

export interface PodRunnerOptions {
  readonly pod: Pod
  readonly node: NodeInfo
  /** Not used with hostNetwork: such a Pod has the node's. */
  readonly podIP: string
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly logger: Logger
  /** Of the Pod's namespace. */
  readonly secret: (name: string) => Secret | undefined
  readonly configMap: (name: string) => ConfigMap | undefined
  readonly images: ImageMap
  /**
   * Where a volume of the Pod lives on the host. Resolves when it is ready; rejects with the
   * message of a FailedMount event, and is then asked again.
   */
  readonly volume: (name: string) => Promise<MountedVolume>
  /** The Pod's hosts file on the host, written anew at each container's start. */
  readonly hostsFile: string
  /** The content of the machine's own /etc/hosts. */
  readonly hostHosts: () => string
  readonly onOutput: (
    container: string,
    stream: OutputStream,
    chunk: Buffer,
  ) => void
  /** A run of the container has written its last byte. */
  readonly onOutputEnd?: (container: string) => void
  readonly onStatus: (status: PodStatus) => void
  readonly onEvent: (event: PodEvent) => void
  /** PATH where the image map says none. */
  readonly path?: string
  readonly clusterDomain?: string
}

/** Output of a dead container that nobody closes is not waited for any longer. */
const drainMs = 1000

export class PodRunner {
  /** The last status; resolves when nothing of the Pod is left. */
  readonly finished: Promise<PodStatus>
  readonly #options: PodRunnerOptions
  readonly #changes: ChangeSignal
  readonly #records = new Map<string, ContainerRecord>()
  readonly #instances = new Map<string, Instance>()
  readonly #drained = new Set<Promise<void>>()
  readonly #graces = new Set<GracePeriod>()
  /** Aborts what the loop waits for when the Pod is to go. */
  readonly #stop = new AbortController()
  readonly #startTime: number
  #resolveFinished: (status: PodStatus) => void = () => undefined
  #pod: Pod
  #running = false
  #graceMs = Infinity
  #volumes: ReadonlyMap<string, MountedVolume> = new Map()
  #hostname: PodHostname | undefined
  #sandbox: 'none' | 'ready' | 'stopped' = 'none'
  #hasEnded = false
  #failure: { readonly reason: string; readonly message: string } | undefined
  #status: PodStatus | undefined

  constructor(options: PodRunnerOptions) {
    this.#options = options
    this.#pod = options.pod
    this.#changes = new ChangeSignal(options.clock)
    this.#startTime = options.clock.now()
    this.finished = new Promise(resolve => (this.#resolveFinished = resolve))
  }

  /** Begins; returns at once. A second call does nothing. */
  start(): void {
    if (this.#running) return
    this.#running = true
    void this.#run()
  }

  /** Objects or volumes have changed: what waits for one of them is tried again now. */
  wake(): void {
    for (const [name, record] of this.#records) {
      this.#records.set(name, recordWake(record))
    }
    this.#changes.notify()
  }

  /**
   * The Pod's newest version. Labels and annotations count at the next start of a container,
   * activeDeadlineSeconds at once; the containers must be the same.
   */
  updatePod(pod: Pod): void {
    this.#pod = pod
    this.wake()
  }

  /**
   * Ends the Pod: preStop, SIGTERM, grace, SIGKILL; also one that has not begun. A further
   * call can only shorten the grace period; 0 kills at once.
   */
  terminate(gracePeriodSeconds?: number): Promise<PodStatus> {
    const ms =
      gracePeriodSeconds === undefined
        ? this.#specGraceMs()
        : Math.max(0, gracePeriodSeconds * 1000)
    this.#graceMs = Math.min(this.#graceMs, ms)
    for (const grace of this.#graces) grace.shorten(ms)
    this.#stop.abort()
    this.#changes.notify()
    this.start()
    return this.finished
  }

  /** The kubelet's floor: a Pod of 0 s still gets its SIGTERM (kubernetes.md 4.9). */
  #specGraceMs(): number {
    return Math.max(1, this.#pod.spec.terminationGracePeriodSeconds) * 1000
  }

  async #run(): Promise<void> {
    this.#publish()
    await this.#prepare()
    const because = await this.#sync()
    await this.#end(because)
  }

  /** Volumes, then what a sandbox would be; returns as soon as the Pod is to stop, too. */
  async #prepare(): Promise<void> {
    const { clock, volume } = this.#options
    const stopped = () => this.#mustStop()
    const deadline = deadlineOf(this.#pod, this.#startTime)
    const timer =
      deadline === undefined
        ? undefined
        : clock.after(deadline - clock.now(), () => this.#changes.notify())
    this.#volumes = await waitForVolumes(mountedVolumeNames(this.#pod), {
      volume: name => volume(name),
      clock,
      changes: this.#changes,
      onFailedMount: message => this.#warn('FailedMount', message),
      stopped,
    })
    try {
      this.#hostname = podHostname(this.#pod, this.#clusterDomain())
    } catch (error) {
      this.#warn(
        'FailedCreatePodSandBox',
        `Failed to create pod sandbox: ${messageOf(error)}`,
      )
      while (!stopped()) await this.#changes.wait(this.#changes.version)
    }
    timer?.cancel()
    if (!stopped()) this.#sandbox = 'ready'
  }

  async #sync(): Promise<KillReason> {
    for (;;) {
      const seen = this.#changes.version
      const steps = this.#plan()
      this.#publish()
      let until: number | undefined
      for (const step of steps) {
        if (step.step === 'killPod') return step.because
        if (step.step === 'waitUntil') until = step.time
        else await this.#carryOut(step)
      }
      // What was started or failed to may allow the next step at once.
      const acted = steps.some(({ step }) => step !== 'waitUntil')
      if (!acted) await this.#changes.wait(seen, until)
    }
  }

  #plan(): readonly Step[] {
    return planPod({
      pod: this.#pod,
      records: this.#records,
      startTime: this.#startTime,
      now: this.#options.clock.now(),
      deleting: this.#stop.signal.aborted,
    })
  }

  #mustStop(): boolean {
    return this.#plan().some(
      step =>
        step.step === 'killPod' &&
        (step.because === 'deleted' || step.because === 'deadlineExceeded'),
    )
  }

  async #carryOut(
    step: Extract<Step, { step: 'start' | 'backOff' }>,
  ): Promise<void> {
    if (this.#mustStop()) return
    switch (step.step) {
      case 'start':
        return await this.#startContainer(this.#container(step.container))
      case 'backOff':
        return this.#noteBackOff(step.container, step.delayMs)
    }
  }

  #noteBackOff(name: string, delayMs: number): void {
    const pod = describePod(this.#pod)
    const message =
      `back-off ${formatGoDuration(delayMs)} restarting failed ` +
      `container=${name} pod=${pod}`
    this.#update(name, record =>
      recordFailure(record, { reason: 'CrashLoopBackOff', message }),
    )
    this.#warn(
      'BackOff',
      `Back-off restarting failed container ${name} in pod ${pod}`,
      name,
    )
  }

  async #startContainer(container: Container): Promise<void> {
    const { name, image } = container
    const { clock, runtime } = this.#options
    let launch: ContainerLaunch
    try {
      launch = await this.#launch(container)
    } catch (error) {
      return this.#noteConfigFailure(container, error)
    }
    // Resolving a subPath takes its time: the Pod may be on its way out by now.
    if (this.#mustStop()) return
    this.#tell('Pulled', pulledMessage(image), name)
    this.#tell('Created', `Created container: ${name}`, name)
    const containerID = `podfs://${randomBytes(32).toString('hex')}`
    try {
      const running = await runtime.start(launch)
      this.#update(name, record =>
        recordStarted(record, containerID, clock.now()),
      )
      this.#watch(name, running)
    } catch (error) {
      const message = messageOf(error)
      this.#update(name, record =>
        recordStartError(record, containerID, message, clock.now()),
      )
      this.#warn('Failed', `Error: ${message}`, name)
      return
    }
    this.#tell('Started', `Started container ${name}`, name)
    this.#publish()
    await this.#postStart(container)
  }

  async #launch(container: Container): Promise<ContainerLaunch> {
    const { options: all, hostname } = this.#readyOptions()
    const launch = await containerLaunch(container, {
      pod: this.#pod,
      node: all.node,
      podIPs: this.#podIPs(),
      secret: name => all.secret(name),
      configMap: name => all.configMap(name),
      images: all.images,
      volumes: this.#volumes,
      hostname,
      machineHostname: machineHostname(),
      accounts: readAccounts(),
      path: all.path ?? defaultPath,
      hostsFile: all.hostsFile,
    })
    const { hostAliases, hostNetwork } = this.#pod.spec
    writeHostsFile(
      all.hostsFile,
      hostNetwork
        ? hostNetworkHostsFileContent(all.hostHosts(), hostAliases)
        : managedHostsFileContent({
            podIPs: this.#podIPs(),
            ...hostname,
            hostAliases,
          }),
    )
    return launch
  }

  /** What stands in its way is told once, and again when it is something else. */
  #noteConfigFailure({ name, image }: Container, error: unknown): void {
    const { clock } = this.#options
    const message = messageOf(error)
    const unknownImage =
      error instanceof RunnerError && error.code === 'IMAGE_UNKNOWN'
    const isNews = this.#record(name).failure?.message !== message
    this.#update(name, record =>
      recordFailure(record, {
        reason: unknownImage ? 'ErrImagePull' : 'CreateContainerConfigError',
        message,
        retryAt: clock.now() + configRetryMs,
      }),
    )
    if (!isNews) return
    if (!unknownImage) this.#tell('Pulled', pulledMessage(image), name)
    this.#warn('Failed', `Error: ${message}`, name)
  }

  #watch(name: string, container: Instance['container']): void {
    const { clock, logger, onOutput, onOutputEnd } = this.#options
    const instance = watchInstance(container, {
      onOutput: (stream, chunk) => onOutput(name, stream, chunk),
      onOutputEnd: () => onOutputEnd?.(name),
      onLost: error =>
        logger.error({ error, container: name }, 'container lost'),
      onExit: status => {
        this.#instances.delete(name)
        this.#update(name, record => recordExited(record, status, clock.now()))
        this.#publish()
        this.#changes.notify()
      },
    })
    this.#instances.set(name, instance)
    this.#drained.add(instance.drained)
    void instance.drained.then(() => this.#drained.delete(instance.drained))
  }

  /** Holds up the next start; a failure ends the container (kubernetes.md 4.3). */
  async #postStart({ name, lifecycle }: Container): Promise<void> {
    const instance = this.#instances.get(name)
    if (lifecycle?.postStart === undefined || instance === undefined) return
    const { clock, logger } = this.#options
    const abort = new AbortController()
    const deadline = deadlineOf(this.#pod, this.#startTime)
    const timer =
      deadline === undefined
        ? undefined
        : clock.after(deadline - clock.now(), () => abort.abort())
    void instance.gone.then(() => abort.abort())
    const signal = AbortSignal.any([abort.signal, this.#stop.signal])
    const result = await runHook(
      lifecycle.postStart,
      instance.container,
      clock,
      signal,
    )
    timer?.cancel()
    if (result.outcome !== 'failed') return
    logger.warn(
      { container: name, detail: result.message },
      'postStart hook failed',
    )
    this.#warn('FailedPostStartHook', 'PostStartHook failed', name)
    await this.#terminateInstances(
      new Map([[name, instance]]),
      this.#specGraceMs(),
      'FailedPostStartHook',
    )
    this.#update(name, record =>
      recordFailure(record, {
        reason: 'PostStartHookError',
        message: 'PostStartHook failed',
      }),
    )
  }

  async #end(because: KillReason): Promise<void> {
    const { clock, logger, runtime } = this.#options
    if (because === 'deadlineExceeded') {
      const message =
        'Pod was active on the node longer than the specified deadline'
      this.#failure = { reason: 'DeadlineExceeded', message }
      this.#tell('DeadlineExceeded', message)
    }
    this.#publish()
    await this.#terminateInstances(this.#instances, this.#specGraceMs())
    try {
      await runtime.close()
    } catch (error) {
      logger.error({ error }, 'cannot remove what was made for the Pod')
    }
    await this.#untilDrained(clock)
    this.#sandbox = this.#sandbox === 'none' ? 'none' : 'stopped'
    this.#hasEnded = true
    this.#resolveFinished(this.#publish())
  }

  async #untilDrained(clock: Clock): Promise<void> {
    const timer = new AbortController()
    const tooLong = clock.sleep(drainMs, timer.signal).catch(() => undefined)
    await Promise.race([Promise.all(this.#drained), tooLong])
    timer.abort()
  }

  /** All at once; only a sidecar's SIGTERM waits for its turn. */
  async #terminateInstances(
    instances: ReadonlyMap<string, Instance>,
    specGraceMs: number,
    reason?: string,
  ): Promise<void> {
    const { clock, logger } = this.#options
    const grace = new GracePeriod(clock, Math.min(specGraceMs, this.#graceMs))
    this.#graces.add(grace)
    const terminations = [...instances].map(([name, { container, gone }]) => {
      this.#tell('Killing', reason ?? `Stopping container ${name}`, name)
      const before = terminatesAfter(this.#pod, name)
      return terminateContainer({
        container,
        gone,
        preStop: this.#container(name).lifecycle?.preStop,
        turn: Promise.all(before.map(other => instances.get(other)?.gone)),
        grace,
        clock,
        onPreStopFailed: detail => {
          logger.warn({ container: name, detail }, 'preStop hook failed')
          this.#warn('FailedPreStopHook', 'PreStopHook failed', name)
        },
      })
    })
    await Promise.all(terminations)
    this.#graces.delete(grace)
  }

  /** Computes the status and tells it when it is another one. */
  #publish(): PodStatus {
    const { node, clock, onStatus } = this.#options
    const status = podStatus({
      pod: this.#pod,
      node,
      podIPs: this.#podIPs(),
      records: this.#records,
      startTime: this.#startTime,
      now: clock.now(),
      sandboxReady: this.#sandbox === 'ready',
      sandboxEverReady: this.#sandbox !== 'none',
      deleting: this.#stop.signal.aborted,
      finished: this.#hasEnded,
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
      ...(this.#status === undefined ? {} : { previous: this.#status }),
    })
    const isNews = JSON.stringify(status) !== JSON.stringify(this.#status)
    this.#status = status
    if (isNews) onStatus(status)
    return status
  }

  #readyOptions() {
    const hostname = this.#hostname
    if (hostname === undefined) throw new Error('no sandbox')
    return { options: this.#options, hostname }
  }

  #clusterDomain(): string {
    return this.#options.clusterDomain ?? defaultClusterDomain
  }

  #podIPs(): readonly string[] {
    const { node, podIP } = this.#options
    return [this.#pod.spec.hostNetwork ? node.ip : podIP]
  }

  #container(name: string): Container {
    const { initContainers, containers } = this.#pod.spec
    const all = [...initContainers, ...containers]
    const container = all.find(candidate => candidate.name === name)
    if (container === undefined) throw new Error(`no container ${name}`)
    return container
  }

  #record(name: string): ContainerRecord {
    return this.#records.get(name) ?? newRecord
  }

  #update(
    name: string,
    change: (record: ContainerRecord) => ContainerRecord,
  ): void {
    this.#records.set(name, change(this.#record(name)))
  }

  #tell(reason: string, message: string, container?: string): void {
    this.#event('Normal', reason, message, container)
  }

  #warn(reason: string, message: string, container?: string): void {
    this.#event('Warning', reason, message, container)
  }

  #event(
    type: PodEvent['type'],
    reason: string,
    message: string,
    container: string | undefined,
  ): void {
    const fieldPath =
      container === undefined
        ? {}
        : { fieldPath: containerFieldPath(this.#pod, container) }
    this.#options.onEvent({ type, reason, message, ...fieldPath })
  }
}

function pulledMessage(image: string): string {
  return `Container image "${image}" already present on machine`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
