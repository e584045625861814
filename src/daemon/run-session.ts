import { readFileSync } from 'node:fs'
import path from 'node:path'
import { keyOf, objectKey } from '../api/object-key.ts'
import type { ConfigMap, Container, Pod, Secret } from '../api/types.ts'
import {
  createImageMap,
  type ImageMap,
  findImage,
  parseImageFlag,
  unknownImages,
} from '../runner/images.ts'
import { OutputLines } from '../runner/output-lines.ts'
import { defaultPath } from '../runner/environment.ts'
import { PodRunner } from '../runner/pod-runner.ts'
import type { PodStatus } from '../runner/pod-status.ts'
import {
  createSandboxRuntime,
  hasBusybox,
} from '../runner/sandbox/sandbox-runtime.ts'
import { Store } from '../store/store.ts'
import { allSettled } from '../util/all-settled.ts'
import { Failure } from '../util/failure.ts'
import { openBackend } from '../volumes/backend.ts'
import { PodVolumes } from '../volumes/pod-volumes.ts'
import { Cleanup } from './cleanup.ts'
import { volumeProvider } from './container-volumes.ts'
import { asFailure } from './failures.ts'
import { thisNode } from './node-info.ts'
import { refuseChroot } from './refuse-chroot.ts'
import { podName, restartTeller, UnappliedChanges } from './pod-notices.ts'
import { podIPFor } from './pod-ip.ts'
import {
  createSessionDirectory,
  listSessions,
  type SessionDirectory,
} from './runtime-directory.ts'
import {
  choosePod,
  lazyTokens,
  readManifests,
  type SessionOptions,
} from './session.ts'

export interface RunRequest extends SessionOptions {
  /** Absent: the only Pod there is. */
  readonly pod: string | undefined
  /** `PATTERN=COMMAND` of each --image. */
  readonly images: readonly string[]
  readonly hostRoot: boolean
  readonly onOutput: (stream: 'stdout' | 'stderr', lines: Uint8Array) => void
  /** A line for the person at the terminal that is neither output nor a mistake. */
  readonly notice: (text: string) => void
}

export interface RunSession {
  readonly pod: Pod
  /** Whether the Pod was deleted from its files; then its end is no failure. */
  deleted(): boolean
  readonly finished: Promise<PodStatus>
  /** Ends the Pod as its deletion does; the second call kills what is left at once. */
  terminate(): void
  /** Undoes everything; the Pod has finished. */
  close(): Promise<void>
}

/**
 * Starts one Pod. Resolves as soon as it is under way; its containers wait by themselves for
 * volumes and objects that are not there yet.
 */
export async function startPod(request: RunRequest): Promise<RunSession> {
  const cleanup = new Cleanup(request.logger)
  try {
    return await start(request, cleanup)
  } catch (error) {
    await cleanup.run()
    throw asFailure(error)
  }
}

async function start(
  request: RunRequest,
  cleanup: Cleanup,
): Promise<RunSession> {
  const { logger, clock, namespace, settings, places } = request
  await refuseChroot()
  const images = createImageMap([
    ...settings.images,
    ...request.images.map(parseImageFlag),
  ])
  const store = new Store()
  const session = await createSessionDirectory(places.runtime, 'run')
  cleanup.add('run-time directory', () => session.remove())
  // Both take tens of milliseconds and neither needs the other.
  const [source, mount, node] = await allSettled([
    readManifests(request, store),
    openBackend(settings.backend, {
      directory: session.directory,
      allowOther: true,
      answerOpens: settings.fuse.answerOpens,
      lifetime: 'run',
      logger,
    }).then(mount => {
      cleanup.add('mount', () => mount.stop())
      return mount
    }),
    thisNode(),
  ])
  cleanup.add('source', () => source.close())
  const pod = choosePod(store, namespace, request.pod)
  const containers = [...pod.spec.initContainers, ...pod.spec.containers]
  refuseUnknownImages(pod, containers, images)
  const busyboxWanted = containers.filter(
    ({ image }) => findImage(images, image)?.busybox === true,
  )
  if (busyboxWanted.length > 0 && !hasBusybox())
    request.notice(
      `this machine has no busybox: ${busyboxWanted.map(({ name }) => name).join(', ')} run with its own sh and tools`,
    )
  const podIP = pod.spec.hostNetwork
    ? node.ip
    : await claimPodIP(places.runtime, session, pod)

  const published = new PodVolumes({
    ...request,
    pod,
    directory: mount.directory,
    rootMode: mount.volumeRootMode,
    store,
    node,
    tokens: lazyTokens(request),
  })
  cleanup.add('volumes', () => published.close())
  published.start()

  const runtime = createSandboxRuntime({
    runtimeDirectory: places.runtime,
    scratchDirectory: path.join(session.directory, 'sandbox'),
    hostRoot: request.hostRoot,
  })
  cleanup.add('containers', () => runtime.close())
  const lines = new OutputLines(
    containers.map(({ name }) => name),
    request.onOutput,
  )
  const inNamespace = (kind: 'Secret' | 'ConfigMap', name: string) =>
    store.get(objectKey(kind, pod.metadata.namespace, name))
  const runner = new PodRunner({
    pod,
    node,
    podIP,
    runtime,
    clock,
    logger,
    images,
    clusterDomain: settings.clusterDomain,
    path: containerPath(process.env['PATH']),
    secret: name => inNamespace('Secret', name) as Secret | undefined,
    configMap: name => inNamespace('ConfigMap', name) as ConfigMap | undefined,
    volume: volumeProvider({ pod, published, session, cleanup }),
    hostsFile: path.join(session.directory, 'etc-hosts'),
    hostHosts: () => readFileSync('/etc/hosts', 'utf8'),
    onOutput: (container, stream, chunk) =>
      lines.push(container, stream, chunk),
    onOutputEnd: container => lines.end(container),
    onStatus: restartTeller(request.notice),
    onEvent: ({ type, ...event }) =>
      logger[type === 'Warning' ? 'warn' : 'info'](event, 'event'),
  })
  const unapplied = new UnappliedChanges(pod, request.notice)
  let deleted = false
  cleanup.add(
    'watch',
    store.watch(events => {
      for (const { type, object } of events) {
        if (keyOf(object) !== keyOf(pod) || object.kind !== 'Pod') continue
        if (type === 'DELETED') {
          deleted = true
          request.notice(
            `Pod ${podName(pod)} is gone from its files: ending it`,
          )
          void runner.terminate()
        } else {
          unapplied.look(object)
          published.updatePod(object)
          runner.updatePod(object)
        }
      }
      runner.wake()
    }),
  )
  runner.start()
  let terminating = false
  return {
    pod,
    deleted: () => deleted,
    finished: runner.finished,
    terminate: () => {
      void runner.terminate(terminating ? 0 : undefined)
      terminating = true
    },
    close: () => cleanup.run(),
  }
}

/** Each one with the flag to type; told before anything of the Pod has been started. */
function refuseUnknownImages(
  pod: Pod,
  containers: readonly Container[],
  images: ImageMap,
): void {
  const [first, ...others] = unknownImages(containers, images)
  if (first === undefined) return
  throw new Failure(
    'failed',
    `Pod ${podName(pod)}: ${[first, ...others].map(({ message }) => message).join('\nerror: ')}`,
    { cause: first },
  )
}

/**
 * Where a program without a directory in its name is looked for: a container's usual PATH,
 * then what the person's own PATH has beyond it (~/.local/bin, a Node from nvm).
 */
function containerPath(own: string | undefined): string {
  const usual = defaultPath.split(':')
  const further = (own ?? '')
    .split(':')
    .filter(entry => path.isAbsolute(entry) && !usual.includes(entry))
  return [...usual, ...new Set(further)].join(':')
}

/**
 * A loopback address that no other running Pod has. Two Pods that start at the same moment
 * both write down what they want and look again: the one with the higher pid moves on.
 */
async function claimPodIP(
  runtime: string,
  session: SessionDirectory,
  pod: Pod,
): Promise<string> {
  const { namespace, name } = pod.metadata
  const taken = new Set<string>()
  for (;;) {
    for (const { pid, podIP, running } of await listSessions(runtime))
      if (running && podIP !== undefined && pid !== process.pid)
        taken.add(podIP)
    const podIP = podIPFor(namespace, name, taken)
    await session.update({ pod: podName(pod), podIP })
    const rivals = (await listSessions(runtime)).filter(
      other =>
        other.running && other.podIP === podIP && other.pid < process.pid,
    )
    if (rivals.length === 0) return podIP
  }
}
