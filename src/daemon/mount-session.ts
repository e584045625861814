import path from 'node:path'
import { keyOf } from '../api/object-key.ts'
import { SessionRecord } from '../server/session-record.ts'
import { Store } from '../store/store.ts'
import { abortable } from '../util/abortable.ts'
import { allSettled } from '../util/all-settled.ts'
import { type Backend, openBackend } from '../volumes/backend.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import {
  chooseVolumes,
  shownVolume,
  type MountTarget,
} from './chosen-volumes.ts'
import type { Cleanup } from './cleanup.ts'
import { startOrUndo } from './start-or-undo.ts'
import { thisNode } from './node-info.ts'
import {
  adoptAbandoned,
  sessionAt,
  takeMountpoint,
  type MountpointRequest,
} from './public-mountpoint.ts'
import { watchMountpoint } from './unmounted.ts'
import { type CurrentMount, RenewedMount } from './renewed-mount.ts'
import { ServedVolumes } from './served-volumes.ts'
import { lazyServiceAccounts, type SessionOptions } from './session.ts'
import {
  ownerAt,
  startSessionServer,
  volumeRecorder,
} from './session-server.ts'

export interface MountRequest extends SessionOptions, MountpointRequest {
  readonly target: MountTarget
  readonly allowOther: boolean
  readonly detached: boolean
  /** Gives up waiting for what a volume still lacks. */
  readonly abort: AbortSignal
}

export interface MountSession {
  readonly volumes: number
  /** RUNTIME/ID, for the log of a detached session. */
  readonly directory: string
  /** Resolves with the reason when the mount ends without having been told to. */
  readonly lost: Promise<string>
  /** Resolves with the reason when somebody else has unmounted it. */
  readonly unmounted: Promise<string>
  /** Resolves when the file server has answered; hangs or rejects when it does not. */
  isAlive(): Promise<void>
  close(): Promise<void>
}

/**
 * Mounts, publishes, and only then shows the result at the mount point, so that nobody ever
 * sees it empty. Resolves when the first byte can be read; whatever fails before that is
 * undone.
 */
export async function mountVolumes(
  request: MountRequest,
): Promise<MountSession> {
  return await startOrUndo(request, cleanup => start(request, cleanup))
}

async function start(
  request: MountRequest,
  cleanup: Cleanup,
): Promise<MountSession> {
  const { logger, places, mountpoint } = request
  const store = new Store()
  const abandoned = await takeMountpoint(request, cleanup)
  const known = abandoned && (await chooseVolumes(request, store, cleanup))
  const adopted =
    abandoned &&
    known &&
    (await adoptAbandoned(
      abandoned,
      whatIsServed(request, known.only),
      request,
    ))
  const session = await sessionAt(
    mountpoint,
    { command: 'mount', runtime: places.runtime, abandoned, adopted },
    cleanup,
  )

  const open = (directory: string): Promise<Backend> =>
    openBackend(request.settings.backend, {
      directory,
      allowOther: request.allowOther,
      answerOpens: request.settings.fuse.answerOpens,
      lifetime: request.detached ? 'detach' : 'mount',
      logger,
      shown: {
        subdirectory: shownVolume(request.target),
        target: mountpoint,
      },
    })
  let stopMount = (): Promise<void> => Promise.resolve()
  cleanup.add('mount', () => stopMount())
  const [mount, { pod, only, object }, node] = await allSettled([
    (adopted === undefined
      ? open(session.directory)
      : Promise.resolve(adopted)
    ).then(mount => {
      stopMount = () => mount.stop()
      return mount
    }),
    Promise.resolve(known ?? chooseVolumes(request, store, cleanup)),
    thisNode(),
  ])
  const record = new SessionRecord(request.clock)
  const accounts = lazyServiceAccounts(request)
  const shown = shownVolume(request.target)
  const { namespace } = pod.metadata
  const renewed = new RenewedMount(
    {
      backend: mount,
      directory: (adopted && abandoned?.mountDirectory) ?? session.directory,
    },
    { ...request, session, open },
  )
  stopMount = () => renewed.stop()
  const show = ({ backend }: CurrentMount): Promise<void> =>
    backend.bind(shown, mountpoint)
  const volumes = new ServedVolumes(renewed, {
    ...request,
    pod,
    only,
    store,
    node,
    ...accounts,
    adopted: adopted !== undefined,
    show,
    historyBudget: new HistoryBudget(),
    onState: volumeRecorder({
      record,
      owner: () =>
        object === undefined
          ? pod
          : ownerAt(store, object.kind, { namespace, name: object.name }),
      namespace,
      pod: object === undefined ? pod.metadata.name : '',
      mountpoints: name => [
        shown === '' ? path.join(mountpoint, name) : mountpoint,
      ],
    }),
  })
  const closeVolumes = async (): Promise<void> => {
    await volumes.close()
    await renewed.close()
  }
  cleanup.add('volumes', closeVolumes)
  const unsubscribe = store.watch(events => {
    for (const { type, object } of events)
      if (
        type === 'MODIFIED' &&
        object.kind === 'Pod' &&
        keyOf(object) === keyOf(pod)
      )
        volumes.updatePod(object)
  })
  cleanup.add('watch', unsubscribe)
  await abortable(volumes.allPublished(), request.abort)
  await show(renewed.current)
  cleanup.add('public mount', async () => {
    await closeVolumes()
    await renewed.current.backend.unbind(mountpoint, { lazy: true })
  })
  await session.update({ serves: whatIsServed(request, only) })
  cleanup.add(
    'API',
    startSessionServer({
      ...request,
      session,
      store,
      record,
      node,
      mount: renewed,
      issuer: accounts.issuer,
    }),
  )
  const { unmounted } = await watchMountpoint(
    mountpoint,
    request.clock,
    request.abort,
  )
  return {
    volumes: volumes.names.length,
    directory: session.directory,
    lost: renewed.lost(),
    unmounted,
    isAlive: () => renewed.isAlive(),
    close: () => cleanup.run(),
  }
}

/** Equal for two requests whose mounts are laid out and protected alike. */
function whatIsServed(
  request: MountRequest,
  volumes: readonly string[],
): string {
  const { allowOther, settings, target } = request
  return JSON.stringify([
    settings.backend,
    settings.fuse.answerOpens,
    allowOther,
    shownVolume(target),
    ...volumes,
  ])
}
