import type { SessionAtMountpoint } from '../session/public-mountpoint.ts'
import path from 'node:path'
import { keyOf } from '../api/object-key.ts'
import { SessionRecord } from '../server/session-record.ts'
import { Store } from '../store/store.ts'
import { abortable } from '../util/abortable.ts'
import { allSettled } from '../util/all-settled.ts'
import type { Backend } from '../volumes/backend.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import { chooseVolumes, type ChosenVolumes } from './chosen-volumes.ts'
import type { Cleanup } from '../session/cleanup.ts'
import { type MountRequest, shownVolume, mountLayout } from './mount-target.ts'
import { thisNode } from '../pods/node-info.ts'
import { type CurrentMount, RenewedMount } from '../session/renewed-mount.ts'
import { ServedVolumes } from '../pods/served-volumes.ts'
import { lazyServiceAccounts } from '../session/session.ts'
import {
  ownerAt,
  startSessionServer,
  volumeRecorder,
} from '../session/session-server.ts'
import { watchMountpoint } from '../session/unmounted.ts'

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

/** When a volume waits for longer, it can be asked for what. */
const longestWaitMs = 300

export interface KnownVolumes extends ChosenVolumes {
  readonly store: Store
}

/** What a mount has before it knows its volumes. */
interface PreparedMount {
  readonly session: SessionAtMountpoint
  readonly mount: Promise<Backend>
  /** Another one, when that is lost. */
  readonly open: (directory: string) => Promise<Backend>
  readonly known: KnownVolumes | undefined
  readonly adopted: boolean
  /** RUNTIME/ID of the mount. */
  readonly directory: string
  /** What ends the mount from now on. */
  readonly stopWith: (stop: () => Promise<void>) => void
}

export async function readVolumes(
  request: MountRequest,
  cleanup: Cleanup,
): Promise<KnownVolumes> {
  const store = new Store()
  return { store, ...(await chooseVolumes(request, store, cleanup)) }
}

/** Publishes and shows. What it has made is undone by `cleanup`. */
export async function serveVolumes(
  request: MountRequest,
  prepared: PreparedMount,
  cleanup: Cleanup,
): Promise<MountSession> {
  const { mountpoint, clock, logger } = request
  const { session, open, adopted, directory } = prepared
  const [mount, { pod, only, object, store }, node] = await allSettled([
    prepared.mount,
    Promise.resolve(prepared.known ?? readVolumes(request, cleanup)),
    thisNode(request.settings.node),
  ])
  const record = new SessionRecord(clock)
  const accounts = lazyServiceAccounts(request)
  const shown = shownVolume(request.target)
  const { namespace } = pod.metadata
  const renewed = new RenewedMount(
    { backend: mount, directory },
    { session, open, logger },
  )
  prepared.stopWith(() => renewed.stop())
  const show = ({ backend }: CurrentMount): Promise<void> =>
    backend.bind(shown, mountpoint)
  // Before the volumes hear of a ConfigMap that went together with its name in the Pod, as one
  // does that kustomize has generated.
  const unsubscribe = store.watch(events => {
    for (const { type, object } of events)
      if (
        type === 'MODIFIED' &&
        object.kind === 'Pod' &&
        keyOf(object) === keyOf(pod)
      )
        volumes.redefine(object)
  })
  cleanup.add('watch', unsubscribe)
  const volumes = new ServedVolumes(renewed, {
    clock,
    logger,
    report: request.report,
    pod,
    only,
    store,
    node,
    tokens: accounts.tokens,
    rootCertificate: accounts.rootCertificate,
    adopted,
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
  let hasApi = false
  const startApi = (): void => {
    if (hasApi) return
    hasApi = true
    cleanup.add(
      'API',
      startSessionServer({
        clock,
        logger,
        session,
        store,
        record,
        node,
        mount: renewed,
        issuer: accounts.issuer,
      }),
    )
  }
  const late = clock.after(longestWaitMs, startApi)
  cleanup.add('late API', () => late.cancel())
  await abortable(volumes.allPublished(), request.abort)
  late.cancel()
  await renewed.orNext(() => show(renewed.current))
  cleanup.add('public mount', async () => {
    await closeVolumes()
    await session.hide(renewed.current)
  })
  session.update({ serves: mountLayout(request, only) })
  startApi()
  const { unmounted } = await watchMountpoint(mountpoint, clock, request.abort)
  return {
    volumes: volumes.names.length,
    directory: session.directory,
    lost: renewed.lost(),
    unmounted,
    isAlive: () => renewed.isAlive(),
    close: async () => {
      await renewed.endIfHung()
      await cleanup.end()
    },
  }
}
