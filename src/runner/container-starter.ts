import { randomBytes } from 'node:crypto'
import { hostname as machineHostname } from 'node:os'

import type {
  ConfigMap,
  Container,
  EphemeralContainer,
  NodeInfo,
  Secret,
} from '../api/types.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { readAccounts } from './launch/accounts.ts'
import type { ChangeSignal } from './lifecycle/change-signal.ts'
import {
  configRetryMs,
  hasStarted,
  recordExited,
  recordFailure,
  recordStarted,
  recordStartError,
} from './lifecycle/container-record.ts'
import { defaultPath } from './launch/environment.ts'
import { configError, createError, RunnerError } from './launch/errors.ts'
import { runHook } from './lifecycle/run-hook.ts'
import type { PodHostname } from './launch/hostname.ts'
import {
  hostNetworkHostsFileContent,
  managedHostsFileContent,
  writeOwnFile,
} from './launch/hosts-file.ts'
import type { ImageMap } from './launch/images.ts'
import type { NodePolicy } from './launch/node-policy.ts'
import { initialState } from './lifecycle/probes/instance-probes.ts'
import { watchInstance, type Instance } from './lifecycle/instance.ts'
import {
  containerLaunch,
  expectedRoot,
  type ContainerVolume,
  type LaunchContext,
  type PlannedLaunch,
} from './launch/launch.ts'
import type { OutputStream } from './lifecycle/output-lines.ts'
import {
  logTailOf,
  terminationMessage,
} from './lifecycle/termination-message.ts'
import { TerminationLogs, type TerminationLog } from './termination-logs.ts'
import { deadlineOf } from './lifecycle/plan.ts'
import type { PodProber } from './pod-prober.ts'
import type { PodState } from './pod-state.ts'
import type { PodTerminator } from './pod-terminator.ts'
import type {
  ContainerRuntime,
  RunningContainer,
} from './sandbox/container-runtime.ts'
import { inBackground } from '../util/in-background.ts'

export interface ContainerStarterOptions {
  readonly node: NodeInfo
  readonly runtime: ContainerRuntime
  readonly clock: Clock
  readonly logger: Logger
  /** Of the Pod's namespace. */
  readonly secret: (name: string) => Secret | undefined
  readonly configMap: (name: string) => ConfigMap | undefined
  readonly images: ImageMap
  readonly policy: NodePolicy
  /** The Pod's hosts file on the host, written anew at each container's start. */
  readonly hostsFile: string
  /** On the host, of this Pod alone: where those of users without an account begin. */
  readonly passwdFile: string
  /** The Pod's resolv.conf on the host; absent: the machine's. */
  readonly resolvConf?: string
  /** What Services give its containers. */
  readonly serviceVariables?: ReadonlyMap<string, string>
  /** Lines of Services for the hosts file. */
  readonly serviceHosts?: string
  /** On the host, of this Pod alone; made if need be. */
  readonly emptyDirectories: string
  /** On the host, of this Pod alone; made if need be. */
  readonly terminationLogs: string
  /** The content of the machine's own /etc/hosts. */
  readonly hostHosts: () => string
  readonly onOutput: (
    container: string,
    stream: OutputStream,
    chunk: Buffer,
    containerID: string,
  ) => void
  /** A run of the container has written its last byte. */
  readonly onOutputEnd?: (container: string, containerID: string) => void
  /** PATH where the image map says none. */
  readonly path?: string
}

/** What a sandbox is to a kubelet: there before the first container, the same for all. */
export interface PodSandbox {
  readonly volumes: ReadonlyMap<string, ContainerVolume>
  readonly hostname: PodHostname
}

/** Starts the containers of a Pod, one at a time, and writes down how they fare. */
export class ContainerStarter {
  /** What runs now. */
  readonly instances = new Map<string, Instance>()
  readonly #options: ContainerStarterOptions
  readonly #state: PodState
  readonly #terminator: PodTerminator
  readonly #prober: PodProber
  readonly #changes: ChangeSignal
  readonly #stop: AbortSignal
  readonly #draining = new Set<Promise<void>>()
  readonly #prepared = new Map<string, Promise<PlannedLaunch>>()
  readonly #terminationLogs: TerminationLogs

  /** `stop`: the Pod is to go, a hook that is still running is abandoned. */
  constructor(
    options: ContainerStarterOptions,
    state: PodState,
    terminator: PodTerminator,
    prober: PodProber,
    changes: ChangeSignal,
    stop: AbortSignal,
  ) {
    this.#options = options
    this.#state = state
    this.#terminator = terminator
    this.#prober = prober
    this.#changes = changes
    this.#stop = stop
    this.#terminationLogs = new TerminationLogs(options.terminationLogs)
  }

  /**
   * Begins with the roots of containers that start as soon as their volumes are there, which
   * `ready` tells; `sandbox` holds the volumes whose place is known. What cannot be built is
   * told by their start. Resolves as soon as this process has nothing to do for them but wait.
   */
  async buildAhead(
    containers: readonly Container[],
    sandbox: PodSandbox,
    ready: Promise<unknown>,
  ): Promise<void> {
    const { runtime } = this.#options
    if (runtime.buildAhead === undefined) return
    this.#writeHostsFile(sandbox)
    const begun: Promise<void>[] = []
    for (const container of containers)
      try {
        const context = this.#launchContext(container, sandbox)
        const root = expectedRoot(container, context)
        if (root !== undefined) begun.push(runtime.buildAhead(root, ready))
      } catch {
        // Its image is unknown.
      }
    await Promise.all(begun)
  }

  /**
   * Builds the worlds of containers that are about to be started one after the other, all at
   * once. What cannot be built is told by its start.
   */
  prepare(containers: readonly Container[], sandbox: PodSandbox): void {
    const { runtime } = this.#options
    for (const container of containers) {
      // What it joins may have to be started before.
      if ('targetContainerName' in container) continue
      const launch = this.#launch(container, sandbox)
      this.#prepared.set(container.name, launch)
      launch.then(ready => runtime.prepare?.(ready)).catch(() => undefined)
      // Its hook may change what the next one finds.
      if (container.lifecycle?.postStart !== undefined) break
    }
  }

  /**
   * Starts one container, runs its postStart hook, and then begins with its probes. Never
   * rejects: what goes wrong is written into the container's record, and planned anew.
   */
  async start(container: Container, sandbox: PodSandbox): Promise<void> {
    const prepared = this.#prepared.get(container.name)
    this.#prepared.delete(container.name)
    let launch: PlannedLaunch
    try {
      launch = await (prepared ?? this.#launch(container, sandbox))
    } catch (error) {
      return this.#noteConfigFailure(container, error)
    }
    // Resolving a subPath takes its time: the Pod may be on its way out by now.
    if (this.#stop.aborted) return
    const containerID = `podfs://${randomBytes(32).toString('hex')}`
    const instance = await this.#startInstance(container, launch, containerID)
    if (instance === undefined || this.#stop.aborted) return
    const startedAt = this.#options.clock.elapsed()
    await this.#postStart(container, instance)
    if (this.instances.get(container.name) === instance && !this.#stop.aborted)
      this.#prober.begin(container, instance, containerID, startedAt)
  }

  /** Resolves when the output of everything that ever ran has been handed on. */
  async drained(): Promise<void> {
    await Promise.all(this.#draining)
  }

  async #launch(
    container: Container,
    sandbox: PodSandbox,
  ): Promise<PlannedLaunch> {
    const context = this.#launchContext(container, sandbox)
    const launch = await containerLaunch(container, context)
    this.#writeHostsFile(sandbox)
    const target = this.#targetOf(container)
    return target === undefined
      ? launch
      : { ...launch, pidNamespaceOf: target.pid }
  }

  /**
   * Whose PID namespace it is to be in. Throws in a kubelet's words (getTargetID,
   * pkg/kubelet/kuberuntime/kuberuntime_container.go), and in containerd's.
   */
  #targetOf({
    targetContainerName: target,
  }: EphemeralContainer): RunningContainer | undefined {
    if (target === undefined) return undefined
    if (!hasStarted(this.#state.record(target)))
      throw configError(`unable to find target container ${target}`)
    const instance = this.instances.get(target)
    if (instance !== undefined) return instance.container
    throw createError(
      `invalid target container: container ${JSON.stringify(target)} is not running`,
    )
  }

  #launchContext(
    { name }: Container,
    { hostname, volumes }: PodSandbox,
  ): LaunchContext {
    const options = this.#options
    const { pod, podIPs } = this.#state
    return {
      pod,
      node: options.node,
      podIPs,
      secret: name => options.secret(name),
      configMap: name => options.configMap(name),
      images: options.images,
      policy: options.policy,
      volumes,
      hostname,
      machineHostname: machineHostname(),
      accounts: readAccounts(),
      path: options.path ?? defaultPath,
      hostsFile: options.hostsFile,
      passwdFile: options.passwdFile,
      ...(options.resolvConf && { resolvConf: options.resolvConf }),
      ...(options.serviceVariables && {
        serviceVariables: options.serviceVariables,
      }),
      emptyDirectories: options.emptyDirectories,
      terminationLog: this.#terminationLogs.next(name),
    }
  }

  #writeHostsFile({ hostname }: PodSandbox): void {
    const options = this.#options
    const { pod, podIPs } = this.#state
    const { hostAliases, hostNetwork } = pod.spec
    const content = hostNetwork
      ? hostNetworkHostsFileContent(options.hostHosts(), hostAliases)
      : managedHostsFileContent({ podIPs, ...hostname, hostAliases })
    writeOwnFile(options.hostsFile, content + (options.serviceHosts ?? ''))
  }

  /** What stands in its way is told once, and again when it is something else. */
  #noteConfigFailure({ name, image }: Container, error: unknown): void {
    const message = messageOf(error)
    const code = error instanceof RunnerError ? error.code : undefined
    const isUnknownImage = code === 'IMAGE_UNKNOWN'
    const isNews = this.#state.record(name).failure?.message !== message
    this.#state.update(name, record =>
      recordFailure(record, {
        reason: isUnknownImage
          ? 'ErrImagePull'
          : code === 'CONTAINER_CREATE'
            ? 'CreateContainerError'
            : 'CreateContainerConfigError',
        message,
        retryAt: this.#options.clock.now() + configRetryMs,
      }),
    )
    if (!isNews) return
    if (!isUnknownImage) this.#tellPulled(name, image)
    this.#state.warn('Failed', `Error: ${message}`, name)
  }

  async #startInstance(
    container: Container,
    launch: PlannedLaunch,
    containerID: string,
  ): Promise<Instance | undefined> {
    const { name, image } = container
    const { clock, runtime } = this.#options
    this.#tellPulled(name, image)
    if (this.#state.record(name).dead !== undefined) this.#checkNetwork()
    for (const warning of launch.warnings)
      this.#state.warn('MissingSubPath', warning, name)
    this.#state.tell('Created', `Created container: ${name}`, name)
    const terminationLog = this.#terminationLogs.take(name)
    let running: RunningContainer
    try {
      running = await runtime.start(launch)
    } catch (error) {
      terminationLog.remove()
      const message = messageOf(error)
      this.#state.update(name, record =>
        recordStartError(
          record,
          containerID,
          message,
          clock.now(),
          this.#state.backoff,
        ),
      )
      this.#state.warn('Failed', `Error: ${message}`, name)
      return undefined
    }
    this.#state.update(name, record =>
      recordStarted(
        record,
        containerID,
        clock.now(),
        initialState(container),
        this.#state.backoff,
      ),
    )
    const instance = this.#watch(container, running, {
      containerID,
      terminationLog,
    })
    this.#state.tell('Started', `Started container ${name}`, name)
    this.#state.publish()
    return instance
  }

  /** A restart is when somebody looks whether all is as it was made: a firewall may have been reloaded. */
  #checkNetwork(): void {
    const checked = this.#options.runtime.checkNetwork?.()
    checked?.catch((error: unknown) => {
      if (!this.#stop.aborted)
        this.#state.warn(
          'NetworkNotReady',
          `network is not ready: ${messageOf(error)}`,
        )
    })
  }

  #watch(
    container: Container,
    running: RunningContainer,
    {
      containerID,
      terminationLog,
    }: {
      readonly containerID: string
      readonly terminationLog: TerminationLog
    },
  ): Instance {
    const { name } = container
    const { clock, logger, onOutput, onOutputEnd } = this.#options
    const log = logTailOf(container)
    const instance = watchInstance(running, {
      onOutput: (stream, chunk) => {
        log?.push(stream, chunk)
        onOutput(name, stream, chunk, containerID)
      },
      onOutputEnd: () => onOutputEnd?.(name, containerID),
      onLost: err => logger.error({ err, container: name }, 'container lost'),
      onExit: status => {
        this.instances.delete(name)
        const message = terminationMessage(
          status.exitCode,
          terminationLog.read(),
          log?.text(),
        )
        this.#state.update(name, record =>
          recordExited(record, status, clock.now(), message),
        )
        this.#state.publish()
        this.#changes.notify()
      },
    })
    this.instances.set(name, instance)
    this.#draining.add(instance.drained)
    inBackground(
      instance.drained.then(() => this.#draining.delete(instance.drained)),
    )
    return instance
  }

  /** Holds up the next start; a failure ends the container (docs/kubernetes.md#hooks). */
  async #postStart(
    { name, lifecycle }: Container,
    instance: Instance,
  ): Promise<void> {
    if (lifecycle?.postStart === undefined) return
    const { clock, logger } = this.#options
    const abort = new AbortController()
    inBackground(instance.gone.then(() => abort.abort()))
    const deadline = deadlineOf(this.#state.pod, this.#state.startTime)
    const timer =
      deadline === undefined
        ? undefined
        : clock.after(deadline - clock.now(), () => abort.abort())
    const result = await runHook(
      lifecycle.postStart,
      this.#state.target(name, instance.container),
      clock,
      AbortSignal.any([abort.signal, this.#stop]),
    )
    timer?.cancel()
    this.#state.tellFallback(name, result)
    if (result.outcome !== 'failed') return
    logger.warn(
      { container: name, detail: result.message },
      'postStart hook failed',
    )
    this.#state.warn('FailedPostStartHook', 'PostStartHook failed', name)
    await this.#terminator.terminate(new Map([[name, instance]]), {
      reason: 'FailedPostStartHook',
    })
    this.#state.update(name, record =>
      recordFailure(record, {
        reason: 'PostStartHookError',
        message: 'PostStartHook failed',
      }),
    )
  }

  #tellPulled(container: string, image: string): void {
    const message = `Container image "${image}" already present on machine`
    this.#state.tell('Pulled', message, container)
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
