import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ConfigMap, NodeInfo, Pod, Secret } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import type { ImageMap } from '../runner/launch/images.ts'
import type { NodePolicy } from '../runner/launch/node-policy.ts'
import type { PodNetworkPlan } from '../runner/launch/sandbox-config.ts'
import type { OutputStream } from '../runner/lifecycle/output-lines.ts'
import type { Lookout } from '../runner/lifecycle/probes/lookout.ts'
import type { PodEvent } from '../runner/status/pod-events.ts'
import { writeOwnFile } from '../runner/launch/hosts-file.ts'
import { PodRunner } from '../runner/pod-runner.ts'
import type { PodStatus, WrittenStatus } from '../runner/status/pod-status.ts'
import { createSandboxRuntime } from '../runner/sandbox/sandbox-runtime.ts'
import type { OpenStreams } from '../streams/container-streams.ts'
import { diskUsage } from '../linux/disk-usage.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { Cleanup } from '../session/cleanup.ts'
import { ownNamespace } from '../session/user-namespace.ts'
import { type LogFileSettings, LogWriter } from './log-writer.ts'
import { type ManagedVolume, volumeProvider } from './container-volumes.ts'
import { reachableLines } from './reachable-lines.ts'
import { inBackground } from '../util/in-background.ts'

/** What is settled when a run of a Pod begins; plain data, which another process can be told. */
export interface PodPlan {
  readonly pod: Pod
  readonly node: NodeInfo
  /** Absent: its network is its own, and gives it one. */
  readonly podIP?: string
  /** Of Pods with a network of their own. */
  readonly network?: PodNetworkPlan
  readonly images: ImageMap
  readonly policy: NodePolicy
  readonly clusterDomain: string
  /** What Services give its containers. */
  readonly serviceVariables?: ReadonlyMap<string, string>
  /** Lines of Services for its hosts file; see PodServices. */
  readonly serviceHosts?: string
  /** Of its containers; absent: the machine's, as it is. */
  readonly resolvConf?: string
  /** Of the waits of a crash loop. */
  readonly backoffScale: number
  /** PATH where the image map says none. */
  readonly path: string
  /** podfs's own, RUNTIME and STATE: no container sees them. */
  readonly ownDirectories: readonly string[]
  /** Of this run alone: RUNTIME/ID/pods/N, which exists. */
  readonly directory: string
  /** Where its managed volumes are expected: RUNTIME/ID/rw/N. */
  readonly volumeDirectory: string
  /** On the disk, of this run alone; made if need be. */
  readonly emptyDirs: string
  /** Absent: whoever is told of the output keeps it. */
  readonly logFiles?: LogFileSettings
  /** Of the claims of all Pods that there have ever been. */
  readonly claims: string
  /** Links to busybox, for all Pods. */
  readonly applets: string
  readonly hostRoot: boolean
  /** Its managed volumes may be mounted anew. */
  readonly expectsLiveVolumes: boolean
}

/** What a Pod's processes need of podfs, and tell it. */
export interface PodHost {
  /** Of the Pod's namespace. */
  secret(name: string): Secret | undefined
  configMap(name: string): ConfigMap | undefined
  /** Resolves as soon as it can be read. */
  managedVolume(name: string): Promise<ManagedVolume>
  status(status: PodStatus): void
  event(event: PodEvent): void
  output(
    container: string,
    containerID: string,
    stream: OutputStream,
    chunk: Buffer,
    time: number,
  ): void
  outputEnd(container: string, containerID: string, time: number): void
  notice(text: string): void
  /** Told once of each new reason why a volume that is not managed cannot be made. */
  failedMount(fieldPath: string, message: string): void
  /** Looks after probes that are well; absent: nobody but who runs them. */
  readonly lookout?: Lookout
}

/** One run of one Pod without its managed volumes: containers, and what was made for them. */
export interface PodProcesses {
  /** Rejects when whoever runs them is gone. */
  readonly finished: Promise<PodStatus>
  /** Labels, annotations and what may change of the spec are live (updatedPod). */
  update(pod: Pod): void
  /** What others say of the Pod, instead of what they said before. */
  setWritten(written: WrittenStatus): void
  /** Objects have changed: what waits for one of them is tried again now. */
  wake(): void
  /** The managed volumes are somewhere else now. */
  renewVolumes(): Promise<void>
  /** Ends the Pod as its deletion does; a further call can only shorten the grace period. */
  terminate(gracePeriodSeconds?: number): void
  /** The first process of each container that runs now, as the host numbers it. */
  processes(): ReadonlyMap<string, number>
  /** Streams of a container that runs. */
  readonly open: OpenStreams
  /** Undoes everything; the Pod has finished. */
  close(): Promise<void>
}

/**
 * Starts them as children of this process; they end with it. `begun` resolves when what needs
 * no volume is under way, and this process has time for the volumes. `sharedDirectory`: of all
 * Pods of this process, where it has several.
 */
export function startPodProcesses(
  plan: PodPlan,
  host: PodHost,
  {
    clock,
    logger,
    sharedDirectory,
  }: {
    readonly clock: Clock
    readonly logger: Logger
    readonly sharedDirectory?: string
  },
): PodProcesses & { readonly begun: Promise<void> } {
  const { pod, node, directory } = plan
  const cleanup = new Cleanup(logger)
  const logs =
    plan.logFiles &&
    new LogWriter(pod, plan.logFiles, err =>
      logger.error({ err }, 'what containers print cannot be written'),
    )
  const skeleton = ownNamespace()?.skeleton
  const runtime = createSandboxRuntime({
    ownDirectories: plan.ownDirectories,
    scratchDirectory: path.join(directory, 'sandbox'),
    ...(sharedDirectory !== undefined && { sharedDirectory }),
    ...(skeleton && { skeleton }),
    appletsDirectory: plan.applets,
    hostRoot: plan.hostRoot,
    ...plan.policy,
    expectsLiveVolumes: plan.expectsLiveVolumes,
    notice: text => host.notice(text),
  })
  cleanup.add('containers', () => runtime.close())
  const { resolvConf: content, ...others } = plan
  const resolvConf = path.join(directory, 'etc-resolv.conf')
  if (content !== undefined) writeOwnFile(resolvConf, content)
  const runner = new PodRunner({
    ...others,
    ...(content === undefined ? {} : { resolvConf }),
    runtime,
    clock,
    logger,
    secret: name => host.secret(name),
    configMap: name => host.configMap(name),
    expectedVolume: name => {
      const volume = pod.spec.volumes.find(volume => volume.name === name)
      if (volume === undefined || !isManagedVolume(volume)) return undefined
      return {
        path: path.join(plan.volumeDirectory, name),
        readOnly: true,
        recursive: false,
        current: async () => (await host.managedVolume(name)).path,
      }
    },
    volume: volumeProvider({
      pod,
      managedVolume: name => host.managedVolume(name),
      diskDirectory: plan.emptyDirs,
      mountDirectory: path.join(directory, 'memory'),
      claims: plan.claims,
      notice: text => host.notice(text),
      failedMount: (fieldPath, message) => host.failedMount(fieldPath, message),
      node,
      logger,
      cleanup,
    }),
    ...(host.lookout && { lookout: host.lookout }),
    emptyDirUsage: name => diskUsage(path.join(plan.emptyDirs, name)),
    hostsFile: path.join(directory, 'etc-hosts'),
    passwdFile: path.join(directory, 'etc-passwd'),
    emptyDirectories: path.join(directory, 'empty'),
    terminationLogs: path.join(directory, 'termination-logs'),
    hostHosts: () => readFileSync('/etc/hosts', 'utf8'),
    onOutput: (container, stream, chunk, containerID) => {
      const now = clock.now()
      logs?.write(containerID, stream, chunk, now)
      host.output(container, containerID, stream, chunk, now)
    },
    onOutputEnd: (container, containerID) => {
      const now = clock.now()
      logs?.end(containerID, now)
      host.outputEnd(container, containerID, now)
    },
    onStatus: status => {
      logs?.status(status)
      host.status(status)
    },
    onEvent: event => host.event(event),
    onAddresses: podIPs => {
      for (const line of reachableLines(pod, podIPs, plan.network))
        host.notice(line)
    },
  })
  runner.start()
  return {
    finished: runner.finished,
    begun: runner.rootsBegun,
    update: newer => runner.updatePod(newer),
    setWritten: written => runner.setWritten(written),
    wake: () => runner.wake(),
    renewVolumes: () => runtime.renewVolumes(),
    terminate: gracePeriodSeconds =>
      inBackground(runner.terminate(gracePeriodSeconds)),
    processes: () => runner.processes(),
    open: request => runner.open(request),
    close: () => cleanup.run(),
  }
}
