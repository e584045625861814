import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import {
  hasRootCertificateInEnv,
  rootCertificateName,
  rootConfigMap,
} from '../api/automount.ts'
import { objectKey } from '../api/object-key.ts'
import { rejectionOf, type Finding } from '../api/report.ts'
import type { ConfigMap, NodeInfo, Pod, Secret } from '../api/types.ts'
import { updatedPod } from '../api/updated-pod.ts'
import { isManagedVolume } from '../projection/projection.ts'
import { defaultPath } from '../runner/launch/environment.ts'
import type { ImageMap } from '../runner/launch/images.ts'
import { podResolvConf } from '../runner/launch/resolv-conf.ts'
import type { NodePolicy } from '../runner/launch/node-policy.ts'
import type { OutputLines } from '../runner/lifecycle/output-lines.ts'
import type {
  NetworkProvider,
  PortMapping,
} from '../runner/sandbox/network/network-provider.ts'
import type { PodStatus, WrittenStatus } from '../runner/status/pod-status.ts'
import type { SessionRecord } from '../server/session-record.ts'
import type { Store } from '../store/store.ts'
import type { TokenManager } from '../tokens/token-manager.ts'
import type { HistoryBudget } from '../volumes/history-budget.ts'
import type { Cleanup } from '../session/cleanup.ts'
import { clearPod } from '../session/clear-pods.ts'
import { ContainerViews } from './container-views.ts'
import { outputSource } from './output-labels.ts'
import { type LogFileSettings, removeLogs } from './log-writer.ts'
import { machinePlaces } from './machine-places.ts'
import type { PodAddresses } from './pod-addresses.ts'
import type { PodServices } from './pod-services.ts'
import { eventFilter } from './event-filter.ts'
import { restartTeller } from './pod-notices.ts'
import {
  type PodHost,
  type PodPlan,
  type PodProcesses,
  startPodProcesses,
} from './pod-processes.ts'
import type { RenewedMount } from '../session/renewed-mount.ts'
import type { SessionDirectory } from '../session/runtime-directory.ts'
import { ServedVolumes } from './served-volumes.ts'
import type { Places } from '../session/places.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { Settings } from '../config/settings.ts'
import {
  containerMountpoints,
  volumeRecorder,
} from '../session/session-server.ts'
import type { ShimClient, ShimHost } from './shim/shim-client.ts'
import { type LeftShim, startShim } from './shim/start-shim.ts'
import { startOrUndo } from '../session/start-or-undo.ts'
import { deferred } from '../util/deferred.ts'
import { inBackground } from '../util/in-background.ts'
import { textOf } from '../util/text-of.ts'

/** How Pods get networks of their own. */
export interface PodNetworks {
  readonly provider: NetworkProvider
  /** The ports of this machine that were asked for beside those of the manifest. */
  readonly publish: (pod: Pod) => readonly PortMapping[]
}

/** What all Pods of one `podfs run` or `podfs serve` share. */
export interface PodSessionContext {
  readonly clock: Clock
  readonly logger: Logger
  readonly places: Places
  readonly clusterDomain: string
  readonly backoffScale: number
  readonly backend: Settings['backend']
  /** Tells the person of one mistake. */
  readonly report: (finding: Finding) => void
  readonly store: Store
  readonly session: SessionDirectory
  /** Remembers what the API shows. */
  readonly record: SessionRecord
  readonly historyBudget: HistoryBudget
  /** One mount; each Pod has a directory of its own in it. Pods need not wait for it. */
  readonly mount: Promise<RenewedMount>
  readonly node: NodeInfo
  readonly addresses: PodAddresses
  readonly services: PodServices
  /** Absent: Pods use the machine's network. */
  readonly network?: PodNetworks
  readonly images: ImageMap
  readonly policy: NodePolicy
  readonly tokens: () => Promise<TokenManager>
  readonly rootCertificate: () => Promise<string>
  /** On the disk, for the emptyDirs of all Pods. */
  readonly emptyDirs: string
  /** Undefined: logs are kept in memory. */
  readonly logFiles: LogFileSettings | undefined
  readonly lines: OutputLines
  readonly hostRoot: boolean
  readonly notice: (text: string) => void
  /**
   * Of `podfs serve`: it publishes the volumes in its tree, too, and tells of them there; and
   * the Pod's processes are those of a pod shim, and outlive podfs.
   */
  readonly isServed?: boolean
}

/** One run of one Pod: its volumes, its processes, and all that was made for them. */
export interface PodSession {
  /** As it was started. */
  readonly pod: Pod
  /** It was told to go, by a podfs before this one. */
  readonly isTerminating?: boolean
  readonly finished: Promise<PodStatus>
  /** Labels, annotations and what may change of the spec are live (updatedPod). */
  update(pod: Pod): void
  /** As it is now, with all updates. */
  current(): Pod
  written(): WrittenStatus
  /** What others say of the Pod, instead of what they said before. */
  setWritten(written: WrittenStatus): void
  /** Objects have changed: what waits for one of them is tried again now. */
  wake(): void
  /** Ends the Pod as its deletion does; a further call can only shorten the grace period. */
  terminate(gracePeriodSeconds?: number): void
  /** Undoes everything; the Pod has finished. */
  close(): Promise<void>
  /**
   * The last word, after `close`: a shim has remembered a Pod that has ended by itself, so that
   * no later podfs starts it again.
   */
  forget(): Promise<void>
}

/**
 * Starts one Pod. Resolves as soon as it is under way; its containers wait by themselves for
 * volumes and objects that are not there yet. `id`: unique among all starts of the session.
 */
export async function startPodSession(
  pod: Pod,
  id: string,
  context: PodSessionContext,
): Promise<PodSession> {
  return await startOrUndo(context, async cleanup => {
    const plan = await planOf(pod, id, context)
    return await podSession(plan, id, context, cleanup)
  })
}

/** Goes on with a Pod that a podfs before this one has started. */
export async function adoptPodSession(
  shim: LeftShim,
  context: PodSessionContext,
): Promise<PodSession> {
  return await startOrUndo(context, async cleanup => {
    const { plan } = shim.running
    let isFollowed = false
    cleanup.add('shim', async () => {
      if (!isFollowed) await shim.client.close()
    })
    if (plan.podIP !== undefined) context.addresses.keep(plan.pod, plan.podIP)
    const session = await podSession(plan, shim.id, context, cleanup, shim)
    isFollowed = true
    return session
  })
}

async function planOf(
  pod: Pod,
  id: string,
  context: PodSessionContext,
): Promise<PodPlan> {
  const { session, node, places, network } = context
  const directory = path.join(session.directory, 'pods', id)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { serviceVariables, nameserver, serviceHosts } =
    await context.services.forPod(pod)
  const resolvConf = podResolvConf(pod, {
    clusterDomain: context.clusterDomain,
    nameserver,
    machine: () => textOf('/etc/resolv.conf') ?? '',
  })
  return {
    pod,
    node,
    ...(pod.spec.hostNetwork
      ? { podIP: node.ip }
      : network === undefined
        ? { podIP: await context.addresses.claim(pod) }
        : {
            network: {
              provider: network.provider,
              publish: network.publish(pod),
              ...(await machinePlaces(
                pod,
                network.provider,
                context.addresses,
              )),
            },
          }),
    images: context.images,
    policy: context.policy,
    clusterDomain: context.clusterDomain,
    ...(serviceVariables.size > 0 && { serviceVariables }),
    ...(serviceHosts !== undefined && { serviceHosts }),
    ...(resolvConf !== undefined && { resolvConf }),
    backoffScale: context.backoffScale,
    path: containerPath(process.env['PATH']),
    ownDirectories: [places.runtime, places.state],
    directory,
    volumeDirectory: path.join(session.directory, 'rw', id),
    emptyDirs: path.join(context.emptyDirs, id),
    ...(context.logFiles && { logFiles: context.logFiles }),
    claims: path.join(places.state, 'claims'),
    applets: path.join(places.state, 'applets'),
    hostRoot: context.hostRoot,
    expectsLiveVolumes:
      context.backend !== 'dir' && pod.spec.volumes.some(isManagedVolume),
  }
}

async function podSession(
  plan: PodPlan,
  id: string,
  context: PodSessionContext,
  cleanup: Cleanup,
  shim?: LeftShim,
): Promise<PodSession> {
  const { logger, store, lines } = context
  const { pod } = plan
  const kept = shim?.running.record
  const isServed = context.isServed === true
  let processes: PodProcesses | undefined
  let newest = pod
  let written = shim?.running.written ?? { conditions: [] }
  let terminating = shim?.running.isTerminating === true
  /** Nobody is told of its end: with no grace period an API server has no such Pod any more. */
  let isForced = false
  let isResting = false
  cleanup.add('directory', async () => {
    if (!isResting) await clearPod(plan.directory)
  })
  const record = context.record.pod(pod, kept)
  const { logFiles } = plan
  if (logFiles !== undefined) record.logsIn(logFiles.root)
  const forgetLogs = (): void => {
    if (logFiles !== undefined) removeLogs(logFiles.root, pod)
  }
  // A Pod that has ended by itself is still to be looked at, with its logs.
  cleanup.add('record', () => {
    if (!terminating) return
    record.gone()
    forgetLogs()
  })
  const tellRestart = restartTeller(
    container => lines.labelOf(outputSource(pod, container)),
    context.notice,
    kept?.status,
  )
  const events = eventFilter()
  // What a Pod on its way out still misses, nobody has to mend.
  const report = (finding: Finding): void => {
    if (!terminating) context.report(finding)
  }
  const { clock } = context
  const views = new ContainerViews({
    record: context.record,
    clock,
    logger,
    pod,
    directory: plan.directory,
    renew: async () => await processes?.renewVolumes(),
  })
  cleanup.add('views', () => views.close())
  // What other processes can do meanwhile comes first.
  const begun = deferred<void>()
  const serving = Promise.all([context.mount, begun.promise]).then(
    ([mount]) => ({
      mount,
      volumes: new ServedVolumes(mount, {
        store,
        node: context.node,
        tokens: context.tokens,
        rootCertificate: context.rootCertificate,
        historyBudget: context.historyBudget,
        clock,
        logger,
        pod,
        subdirectory: id,
        adopted: shim !== undefined,
        report: isServed ? () => undefined : report,
        show: () => views.show(),
        onState: isServed
          ? state => views.published(state)
          : volumeRecorder({
              record: context.record,
              owner: () => pod,
              namespace: pod.metadata.namespace,
              pod: pod.metadata.name,
              mountpoints: name => containerMountpoints(pod, name),
            }),
      }),
    }),
  )
  // Without a mount the session ends, and tells why.
  serving.catch(() => undefined)
  cleanup.add('volumes', async () => {
    begun.resolve()
    const served = await serving.catch(() => undefined)
    if (served === undefined) return
    await served.volumes.close()
    // With the mount all of it has gone.
    if (served.mount.isClosed) return
    const { backend } = served.mount.current
    await rm(path.join(backend.directory, id), { recursive: true, force: true })
  })
  const published = serving.catch(() => new Promise<never>(() => {}))

  const root = hasRootCertificateInEnv(pod)
    ? rootConfigMap(pod, await context.rootCertificate())
    : undefined
  const inNamespace = (kind: 'Secret' | 'ConfigMap', name: string) =>
    store.get(objectKey(kind, pod.metadata.namespace, name))
  const host: PodHost = {
    secret: name => inNamespace('Secret', name) as Secret | undefined,
    configMap: name =>
      (inNamespace('ConfigMap', name) as ConfigMap | undefined) ??
      (name === rootCertificateName ? root : undefined),
    managedVolume: async name => {
      const { mount, volumes } = await published
      await volumes.published(name)
      return {
        path: await volumes.pathOf(name),
        isRenewable: mount.isRenewable,
      }
    },
    status: status => {
      if (!isForced) record.status(status)
      tellRestart(status)
      events.status(status)
    },
    event: event => {
      record.event(event)
      if (!events.isNews(event)) return
      const { type, ...facts } = event
      // Why a volume is missing was told as an error, with its place in the file.
      const isTold = type === 'Normal' || event.reason === 'FailedMount'
      const { namespace, name } = pod.metadata
      lines.interrupt()
      logger[isTold ? 'info' : 'warn'](
        { namespace, pod: name, ...facts },
        'event',
      )
    },
    output: (container, containerID, stream, chunk, time) => {
      if (logFiles === undefined)
        record.output(container, containerID, stream, chunk, time)
      lines.push(outputSource(pod, container), stream, chunk)
    },
    outputEnd: (container, containerID, time) => {
      record.outputEnd(container, containerID, time)
      lines.end(outputSource(pod, container))
    },
    notice: context.notice,
    failedMount: (fieldPath, message) =>
      report(rejectionOf(newest, fieldPath, message)),
  }
  let client: ShimClient | undefined
  if (isServed) {
    begun.resolve()
    client = shim?.client ?? (await startShim(id, context))
    const logs: ShimHost['logs'] = logs => record.logs(logs)
    processes = client.follow(plan, { ...host, logs })
  } else {
    const own = startPodProcesses(plan, host, {
      ...context,
      sharedDirectory: path.dirname(plan.directory),
    })
    inBackground(own.begun.then(begun.resolve))
    processes = own
  }
  if (shim !== undefined)
    published
      .then(({ mount }) => views.showIfOther(mount.current))
      .catch((err: unknown) => logger.error({ err }, 'not shown'))
  const running = processes
  cleanup.add('processes', async () => {
    isResting = !terminating && (await client?.rest()) === true
    if (!isResting) await running.close()
  })
  record.processes(() => running.processes())
  record.opens(running.open)
  return {
    pod,
    isTerminating: terminating,
    finished: running.finished,
    update: newer => {
      const updated = updatedPod(newest, newer)
      newest = updated
      record.updated(updated)
      inBackground(published.then(({ volumes }) => volumes.updatePod(updated)))
      running.update(updated)
    },
    current: () => newest,
    written: () => written,
    setWritten: newer => {
      written = newer
      running.setWritten(newer)
    },
    wake: () => running.wake(),
    terminate: gracePeriodSeconds => {
      terminating = true
      isForced ||= gracePeriodSeconds === 0
      record.terminating(
        gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds,
      )
      running.terminate(gracePeriodSeconds)
    },
    close: () => cleanup.run(),
    forget: async () => {
      forgetLogs()
      if (!isResting) return
      await running.close()
      await clearPod(plan.directory)
    },
  }
}

/**
 * Where a program without a directory in its name is looked for: a container's usual PATH,
 * then what the person's own PATH has beyond it (~/.local/bin, a Node from nvm).
 */
export function containerPath(own: string | undefined): string {
  const usual = defaultPath.split(':')
  const further = (own ?? '')
    .split(':')
    .filter(entry => path.isAbsolute(entry) && !usual.includes(entry))
  return [...usual, ...new Set(further)].join(':')
}
