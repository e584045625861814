import { keyOf } from '../api/object-key.ts'
import type { Container, Pod } from '../api/types.ts'
import {
  createImageMap,
  type ImageMap,
  findImage,
  parseImageFlag,
  unknownImages,
} from '../runner/images.ts'
import { OutputLines } from '../runner/output-lines.ts'
import type { PodStatus } from '../runner/pod-status.ts'
import { hasBusybox } from '../runner/sandbox/sandbox-runtime.ts'
import { Store } from '../store/store.ts'
import { allSettled } from '../util/all-settled.ts'
import { Failure } from '../util/failure.ts'
import { openBackend } from '../volumes/backend.ts'
import { Cleanup } from './cleanup.ts'
import { asFailure } from './failures.ts'
import { thisNode } from './node-info.ts'
import { outputLabels } from './output-labels.ts'
import { PodAddresses } from './pod-addresses.ts'
import { podName, UnappliedChanges } from './pod-notices.ts'
import { startPodSession } from './pod-session.ts'
import { refuseChroot } from './refuse-chroot.ts'
import { createSessionDirectory } from './runtime-directory.ts'
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
  const { logger, namespace, settings, places } = request
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
  const lines = new OutputLines(request.onOutput)
  lines.setLabels(outputLabels([pod]))
  const running = await startPodSession(pod, '1', {
    ...request,
    store,
    session,
    mount,
    node,
    addresses: new PodAddresses(places.runtime, session),
    images,
    tokens: lazyTokens(request),
    lines,
  })
  cleanup.add('Pod', () => running.close())
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
          running.terminate()
        } else {
          unapplied.look(object)
          running.update(object)
        }
      }
      running.wake()
    }),
  )
  let terminating = false
  return {
    pod,
    deleted: () => deleted,
    finished: running.finished,
    terminate: () => {
      running.terminate(terminating ? 0 : undefined)
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
