import { mkdir, rm } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import {
  hasRootCertificateInEnv,
  rootCertificateName,
  rootConfigMap,
} from '../api/automount.ts'
import { objectKey } from '../api/object-key.ts'
import type { Finding } from '../api/report.ts'
import type { ConfigMap, NodeInfo, Pod, Secret } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import { defaultPath } from '../runner/environment.ts'
import type { ImageMap } from '../runner/images.ts'
import type { OutputLines } from '../runner/output-lines.ts'
import { PodRunner } from '../runner/pod-runner.ts'
import type { PodStatus } from '../runner/pod-status.ts'
import { createSandboxRuntime } from '../runner/sandbox/sandbox-runtime.ts'
import type { SessionRecord } from '../server/session-record.ts'
import type { Store } from '../store/store.ts'
import type { TokenManager } from '../tokens/token-manager.ts'
import type { HistoryBudget } from '../volumes/history-budget.ts'
import { Cleanup } from './cleanup.ts'
import { volumeProvider } from './container-volumes.ts'
import { outputSource } from './output-labels.ts'
import type { PodAddresses } from './pod-addresses.ts'
import { restartTeller } from './pod-notices.ts'
import type { RenewedMount } from './renewed-mount.ts'
import { removeUnmounted, type SessionDirectory } from './runtime-directory.ts'
import { ServedVolumes } from './served-volumes.ts'
import type { SessionOptions } from './session.ts'
import { containerMountpoints, volumeRecorder } from './session-server.ts'

/** What all Pods of one `podfs run` share. */
export interface PodSessionContext extends SessionOptions {
  readonly store: Store
  readonly session: SessionDirectory
  /** Remembers what the API shows. */
  readonly record: SessionRecord
  readonly historyBudget: HistoryBudget
  /** One mount; each Pod has a directory of its own in it. Pods need not wait for it. */
  readonly mount: Promise<RenewedMount>
  readonly node: NodeInfo
  readonly addresses: PodAddresses
  readonly images: ImageMap
  readonly tokens: () => Promise<TokenManager>
  readonly rootCertificate: () => Promise<string>
  /** On the disk, for the emptyDirs of all Pods. */
  readonly emptyDirs: string
  readonly lines: OutputLines
  readonly hostRoot: boolean
  readonly notice: (text: string) => void
  /** Its volumes are published in the tree of `podfs serve`, too, which tells of them. */
  readonly isServed?: boolean
}

/** One run of one Pod: its volumes, its processes, and all that was made for them. */
export interface PodSession {
  /** As it was started. */
  readonly pod: Pod
  readonly finished: Promise<PodStatus>
  /** Labels and annotations are live; the rest of the spec is as it was started. */
  update(pod: Pod): void
  /** Objects have changed: what waits for one of them is tried again now. */
  wake(): void
  /** Ends the Pod as its deletion does; a further call can only shorten the grace period. */
  terminate(gracePeriodSeconds?: number): void
  /** Undoes everything; the Pod has finished. */
  close(): Promise<void>
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
  const { logger, session, node, store, lines, settings } = context
  const cleanup = new Cleanup(logger)
  const directory = path.join(session.directory, 'pods', id)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  cleanup.add('directory', () => removeUnmounted(directory))
  const podIP = pod.spec.hostNetwork
    ? node.ip
    : await context.addresses.claim(pod)

  let terminating = false
  const record = context.record.pod(pod)
  // A Pod that has ended by itself is still to be looked at, with its logs.
  cleanup.add('record', () => {
    if (terminating) record.gone()
  })
  const tellRestart = restartTeller(
    container => lines.labelOf(outputSource(pod, container)),
    context.notice,
  )
  // What a Pod on its way out still misses, nobody has to mend.
  const report = (finding: Finding): void => {
    if (!terminating) context.report(finding)
  }
  const serving = context.mount.then(mount => ({
    mount,
    volumes: new ServedVolumes(mount, {
      ...context,
      pod,
      subdirectory: id,
      report: context.isServed === true ? () => undefined : report,
      show: async () => {
        try {
          await runtime.renewVolumes()
        } catch (error) {
          logger.error({ err: error }, 'a container keeps a lost volume')
        }
      },
      ...(context.isServed === true
        ? {}
        : {
            onState: volumeRecorder({
              record: context.record,
              owner: () => pod,
              namespace: pod.metadata.namespace,
              pod: pod.metadata.name,
              mountpoints: name => containerMountpoints(pod, name),
            }),
          }),
    }),
  }))
  // Without a mount the session ends, and tells why.
  serving.catch(() => undefined)
  cleanup.add('volumes', async () => {
    const served = await serving.catch(() => undefined)
    if (served === undefined) return
    await served.volumes.close()
    const { backend } = served.mount.current
    await rm(path.join(backend.directory, id), { recursive: true, force: true })
  })
  const published = serving.catch(() => new Promise<never>(() => {}))

  const runtime = createSandboxRuntime({
    runtimeDirectory: context.places.runtime,
    scratchDirectory: path.join(directory, 'sandbox'),
    hostRoot: context.hostRoot,
    expectsLiveVolumes:
      settings.backend !== 'dir' && pod.spec.volumes.some(isManagedVolume),
  })
  cleanup.add('containers', () => runtime.close())
  const root = hasRootCertificateInEnv(pod)
    ? rootConfigMap(pod, await context.rootCertificate())
    : undefined
  const inNamespace = (kind: 'Secret' | 'ConfigMap', name: string) =>
    store.get(objectKey(kind, pod.metadata.namespace, name))
  const runner = new PodRunner({
    pod,
    node,
    podIP,
    runtime,
    clock: context.clock,
    logger,
    images: context.images,
    clusterDomain: context.settings.clusterDomain,
    path: containerPath(process.env['PATH']),
    secret: name => inNamespace('Secret', name) as Secret | undefined,
    configMap: name =>
      (inNamespace('ConfigMap', name) as ConfigMap | undefined) ??
      (name === rootCertificateName ? root : undefined),
    expectedVolume: name => {
      const volume = pod.spec.volumes.find(volume => volume.name === name)
      if (volume === undefined || !isManagedVolume(volume)) return undefined
      return {
        path: path.join(session.directory, 'rw', id, name),
        readOnly: true,
        recursive: false,
        current: async () => await (await published).volumes.pathOf(name),
      }
    },
    volume: volumeProvider({
      pod,
      published,
      diskDirectory: path.join(context.emptyDirs, id),
      mountDirectory: path.join(directory, 'memory'),
      claims: path.join(context.places.state, 'claims'),
      notice: context.notice,
      report,
      node,
      logger,
      cleanup,
    }),
    hostsFile: path.join(directory, 'etc-hosts'),
    hostHosts: () => readFileSync('/etc/hosts', 'utf8'),
    onOutput: (container, stream, chunk, containerID) => {
      record.output(container, containerID, stream, chunk)
      lines.push(outputSource(pod, container), stream, chunk)
    },
    onOutputEnd: (container, containerID) => {
      record.outputEnd(container, containerID)
      lines.end(outputSource(pod, container))
    },
    onStatus: status => {
      record.status(status)
      tellRestart(status)
    },
    onEvent: event => {
      record.event(event)
      const { type, ...facts } = event
      // Why a volume is missing was told as an error, with its place in the file.
      const isTold = type === 'Normal' || event.reason === 'FailedMount'
      logger[isTold ? 'info' : 'warn'](facts, 'event')
    },
  })
  record.processes(() => runner.processes())
  runner.start()
  return {
    pod,
    finished: runner.finished,
    update: newer => {
      record.updated(newer)
      void published.then(({ volumes }) => volumes.updatePod(newer))
      runner.updatePod(newer)
    },
    wake: () => runner.wake(),
    terminate: gracePeriodSeconds => {
      terminating = true
      record.terminating(
        gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds,
      )
      void runner.terminate(gracePeriodSeconds)
    },
    close: () => cleanup.run(),
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
