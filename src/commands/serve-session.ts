import path from 'node:path'
import { keyOf } from '../api/object-key.ts'
import type { EffectiveSettings } from '../config/layers.ts'
import type { LiveSetting, SettingsFor } from '../config/settings.ts'
import { createImageMap } from '../runner/launch/images.ts'
import type { NodePolicy } from '../runner/launch/node-policy.ts'
import { OutputLines } from '../runner/lifecycle/output-lines.ts'
import { SessionRecord } from '../server/session-record.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import { Store } from '../store/store.ts'
import { abortable } from '../util/abortable.ts'
import { allSettled } from '../util/all-settled.ts'
import { count } from '../util/count.ts'
import { type Backend } from '../volumes/backend.ts'
import { openBackend } from '../volumes/open-backend.ts'
import { accessOf } from '../session/access.ts'
import type { Cleanup } from '../session/cleanup.ts'
import { clearEndedRuns, clearPods } from '../session/clear-pods.ts'
import { claimEmptyDirs } from '../pods/empty-dirs.ts'
import { LiveSources } from '../session/live-sources.ts'
import { logFileSettings } from '../pods/log-settings.ts'
import { nodePolicy } from '../pods/node-policy.ts'
import { thisNode } from '../pods/node-info.ts'
import { networkProvider } from '../session/pod-network-provider.ts'
import { PodAddresses } from '../pods/pod-addresses.ts'
import type { PodSessionContext } from '../pods/pod-session.ts'
import {
  adoptAbandoned,
  type SessionAtMountpoint,
  sessionAt,
  takeMountpoint,
} from '../session/public-mountpoint.ts'
import { Reloads, type ReloadRequest } from '../session/reloads.ts'
import { isGone, RenewedMount } from '../session/renewed-mount.ts'
import { PodServices } from '../pods/pod-services.ts'
import {
  hostServiceNetwork,
  podServiceNetwork,
} from '../pods/service-network.ts'
import { hasLeftProxy, startProxy } from '../pods/proxy/start-proxy.ts'
import { PodFleet } from '../pods/pod-fleet.ts'
import { Replicas } from '../pods/replicas.ts'
import { isToRun, servePolicy } from '../pods/serve-policy.ts'
import { ServedTree, treeDirectory } from './served-tree.ts'
import { openTreeMount } from './tree-mount.ts'
import {
  lazyServiceAccounts,
  type SessionOptions,
  type SessionSetting,
} from '../session/session.ts'
import { clearMounts, clearUnshownMounts } from '../session/session-mounts.ts'
import { MountError } from '../linux/mount-error.ts'
import { startSessionServer } from '../session/session-server.ts'
import { type LeftShim, meetShims } from '../pods/shim/start-shim.ts'
import { startOrUndo } from '../session/start-or-undo.ts'
import { TreeRecorder } from '../session/tree-recorder.ts'
import { watchMountpoint } from '../session/unmounted.ts'
import { inBackground } from '../util/in-background.ts'
import type { NoneLeft } from '../util/none-left.ts'

/** The settings that matter to `podfs serve`, beside those of every session. */
export type ServeSetting = AppliedSetting | 'root' | 'sources.namespace'

/** Those that it takes over while it runs. */
type AppliedSetting =
  | 'access'
  | 'backoffScale'
  | 'images'
  | 'logLevel'
  | 'run'
  | 'sources.charts'
  | 'sources.configMaps'
  | 'sources.kustomizations'
  | 'sources.manifests'
  | 'sources.secrets'

export type EveryLiveSettingIsApplied = NoneLeft<
  Exclude<LiveSetting, AppliedSetting>
>

/** While an adopted tree may hold what nobody asks for, it is looked at so often. */
const strangersMs = 1000

export interface ServeRequest
  extends
    Omit<SessionOptions, 'paths' | 'renderings' | 'namespace' | 'settings'>,
    ReloadRequest {
  readonly effective: EffectiveSettings
  /** Gives up a start that takes too long. */
  readonly abort: AbortSignal
}

export interface ServeSession {
  readonly volumes: number
  /** Of these: they wait for something. */
  readonly unpublished: number
  /** In the input. */
  readonly mistakes: number
  /** Why only who enters podfs's namespaces sees the tree; undefined: everybody may. */
  readonly hidden?: MountError
  /** Resolves with the reason when the mount ends without having been told to. */
  readonly lost: Promise<string>
  /** Resolves when the file server has answered; hangs or rejects when it does not. */
  isAlive(): Promise<void>
  /** Applies what has changed in the configuration; a broken one changes nothing. */
  reload(): Promise<void>
  /** The longest of the Pods that run. */
  terminationSeconds(): number
  /** Ends the Pods as their deletion does; a second call kills what is left at once. */
  terminate(): Promise<void>
  /** Undoes everything; the Pods have ended. Throws a Failure when a mount must stay. */
  close(): Promise<void>
}

/**
 * podfs as a service: everything that the sources have, in one tree at one mount, and the Pods
 * that are to be run. Resolves when everything that can be published is; what cannot be waits,
 * and is told of. A mount that a podfs before this one has left is adopted.
 */
export async function serve(request: ServeRequest): Promise<ServeSession> {
  return await startOrUndo(request, cleanup => start(request, cleanup))
}

async function start(
  request: ServeRequest,
  cleanup: Cleanup,
): Promise<ServeSession> {
  const { logger, clock, places, report, notice, service } = request
  let { effective } = request
  const settings: SettingsFor<SessionSetting | ServeSetting> =
    effective.settings
  const { root } = settings
  const access = accessOf(settings.access)
  const provider = networkProvider(settings, places)
  const found = await openMount(request, cleanup)
  const { session, mount, adopted, left } = found

  const known = new Map(
    left.map(({ running }) => {
      const { pod } = running.plan
      return [keyOf(pod), pod.metadata]
    }),
  )
  const replicas = new Replicas(session.replicas)
  const store = new Store({
    clock,
    expand: first => replicas.expand(first),
    onListenerError: err => logger.error({ err }, 'a change was not followed'),
    identity: key => known.get(key),
  })
  const sources = new LiveSources({
    store,
    clock,
    report,
    onMended: request.onMended,
    identities: request.identities,
  })
  cleanup.add('sources', () => sources.close())
  const [node, , shown] = await allSettled([
    thisNode(settings.node),
    abortable(sources.start(settings.sources), request.abort),
    openTreeMount(
      { settings, logger, session, before: found.treeDirectory },
      cleanup,
    ),
  ])

  const record = new SessionRecord(clock)
  const accounts = lazyServiceAccounts({ settings, places, clock, logger })
  const recorder = new TreeRecorder({ record, store, root })
  cleanup.add('recorder', () => recorder.close())
  const own =
    shown === undefined || shown instanceof MountError ? undefined : shown
  const treeMount = own?.mount ?? mount
  // Without a Pod nobody else would have another one when it is lost.
  if (own !== undefined)
    cleanup.add(
      'mount of the Pods',
      mount.follow(async next => {
        await next
      }),
    )
  const tree = new ServedTree(treeMount, {
    clock,
    logger,
    report,
    tokens: accounts.tokens,
    rootCertificate: accounts.rootCertificate,
    root,
    access,
    store,
    node,
    adopted: own?.adopted ?? adopted,
    onVolume: (about, state, control) => recorder.volume(about, state, control),
    onVolumeGone: about => recorder.volumeGone(about),
  })
  cleanup.add('tree', () => tree.close())
  await abortable(tree.start(), request.abort)
  cleanup.add('public mount', async () => {
    await tree.close()
    await session.hide(treeMount.current)
  })
  // What is dead when its Pods are adopted would be theirs for good.
  if (own !== undefined)
    await abortable(
      mount.orNext(() => Promise.resolve()),
      request.abort,
    )

  const emptyDirs = await claimEmptyDirs(places, session.directory)
  const { directory } = emptyDirs
  const lastRun = Math.max(
    found.lastRun,
    await clearEndedRuns(directory, idsOf(left), logger),
  )
  cleanup.add('emptyDirs', () => emptyDirs.remove())
  const addresses = new PodAddresses(places.runtime, session)
  const services = new PodServices({
    store,
    record,
    network:
      provider === undefined
        ? hostServiceNetwork(addresses)
        : podServiceNetwork(places.runtime, session, settings.serviceSubnet),
    clusterDomain: settings.clusterDomain,
    clock,
    logger,
    notice,
    isLeft: await hasLeftProxy(session.directory),
    startProxy: tell => startProxy({ session: session.directory, clock, tell }),
  })
  cleanup.add('Services', () => services.close())
  let context: PodSessionContext = {
    clock,
    logger,
    places,
    clusterDomain: settings.clusterDomain,
    backoffScale: settings.backoffScale,
    backend: settings.backend,
    report,
    notice,
    tokens: accounts.tokens,
    rootCertificate: accounts.rootCertificate,
    store,
    session,
    record,
    mount: Promise.resolve(mount),
    node,
    addresses,
    services,
    images: createImageMap(settings.images),
    policy: policyOf(settings, places.state),
    emptyDirs: emptyDirs.directory,
    logFiles: logFileSettings(settings, places, emptyDirs),
    // `podfs logs` has it.
    lines: new OutputLines(() => undefined, clock),
    hostRoot: false,
    isServed: true,
    ...(provider && { network: { provider, publish: () => [] } }),
    historyBudget: new HistoryBudget(),
  }
  const pods = new PodFleet({
    context: () => context,
    policy: servePolicy(
      () => effective.settings.run,
      () => context,
    ),
    left,
    lastRun,
  })
  cleanup.add('Pods', () => pods.kill())
  pods.follow()
  const adoption = pods.adoptLeft()
  inBackground(adoption.then(() => services.start()))
  pods.look()
  cleanup.add(
    'replicas',
    replicas.follow({
      store,
      record,
      isToRun: pod => isToRun(pod, effective.settings.run),
      notice,
      report,
      save: scaled => session.update({ replicas: scaled }),
    }),
  )
  if (adopted)
    cleanup.add(
      'strangers',
      onceSound(sources, request, () => {
        known.clear()
        tree.removeStrangers()
        pods.removeStrangers()
      }),
    )

  const unpublished = (): number =>
    record.volumes.filter(({ generation }) => generation === 0).length
  const tell = (): void => {
    const waiting = unpublished()
    service.status(
      [
        `${count(tree.size, 'volume')} at ${root}`,
        ...(waiting === 0 ? [] : [`${waiting} not published`]),
        `${count(pods.running - pods.waiting, 'Pod')} running`,
      ].join(', '),
    )
  }
  cleanup.add('watch', store.watch(tell))

  const apply = async (next: EffectiveSettings): Promise<void> => {
    const now: SettingsFor<ServeSetting> = next.settings
    const nextAccess = accessOf(now.access)
    effective = next
    logger.level = now.logLevel
    context = {
      ...context,
      images: createImageMap(now.images),
      backoffScale: now.backoffScale,
    }
    await tree.setAccess(nextAccess)
    await sources.change(now.sources)
    pods.look()
  }
  const reloads = new Reloads(request, () => effective, apply)
  cleanup.add(
    'API',
    startSessionServer({
      clock,
      logger,
      issuer: accounts.issuer,
      session,
      store,
      record,
      node,
      mount: { stats: () => statsOf([mount, treeMount]) },
      isToRun: pod => isToRun(pod, effective.settings.run),
      control: pods,
      scaling: replicas,
      mistakes: () => sources.mistakes,
      reload: async () => ({ ...(await reloads.reload()) }),
    }),
  )
  const { unmounted } = await watchMountpoint(root, clock, request.abort)
  tell()
  service.ready()
  return {
    volumes: tree.size,
    unpublished: unpublished(),
    mistakes: sources.mistakes,
    lost: Promise.race([mount.lost(), treeMount.lost(), unmounted]),
    ...(shown instanceof MountError && { hidden: shown }),
    isAlive: async () => {
      await mount.isAlive()
      if (treeMount !== mount) await treeMount.isAlive()
    },
    reload: async () => {
      // It has told what went wrong.
      await reloads.reload().catch(() => undefined)
      tell()
    },
    terminationSeconds: () => pods.terminationSeconds(),
    terminate: () => {
      service.stopping()
      inBackground(mount.endIfHung())
      return pods.terminate()
    },
    close: async () => {
      await mount.endIfHung()
      await cleanup.end()
    },
  }
}

function policyOf(
  settings: SettingsFor<SessionSetting | ServeSetting>,
  state: string,
): NodePolicy {
  const { manifests, kustomizations, charts } = settings.sources
  return nodePolicy(settings, state, process.cwd(), [
    ...manifests,
    ...kustomizations,
    ...charts.map(({ chart }) => chart),
  ])
}

interface OpenedMount {
  readonly session: SessionAtMountpoint
  readonly mount: RenewedMount
  readonly adopted: boolean
  /** Where a podfs that is gone has another one for the tree. */
  readonly treeDirectory?: string
  /** The Pods of a podfs that is gone, which run on. */
  readonly left: readonly LeftShim[]
  /** The highest number of a start of a Pod of which something is there. */
  readonly lastRun: number
}

/** The mount at `root`: that of a podfs that is gone, or a new one. */
async function openMount(
  request: ServeRequest,
  cleanup: Cleanup,
): Promise<OpenedMount> {
  const { logger, clock, places, effective } = request
  const { root, backend, fuse } = effective.settings
  const renewsDead = true
  const at = { mountpoint: root, renewsDead, places, clock, logger }
  const abandoned = await takeMountpoint(at, cleanup)
  const serves = treeLayout(effective.settings)
  const adopted = abandoned && (await adoptAbandoned(abandoned, serves, at))
  const session = await sessionAt(
    root,
    { command: 'serve', runtime: places.runtime, abandoned, adopted },
    cleanup,
  )
  session.update({ serves })

  const open = (directory: string): Promise<Backend> =>
    openBackend(backend, {
      directory,
      // The modes of the tree's root say who may enter.
      allowOther: true,
      answerOpens: fuse.answerOpens,
      lifetime: 'detach',
      logger: logger.child({ mountpoint: root }),
      shown: { subdirectory: treeDirectory, target: root },
    })
  const first = adopted ?? (await open(session.directory))
  const mount = new RenewedMount(
    {
      backend: first,
      directory: (adopted && abandoned?.mountDirectory) ?? session.directory,
    },
    { session, open, logger },
  )
  cleanup.add('mount', async () => {
    await mount.stop()
    if (adopted !== undefined) await clearMounts(session.directory)
  })
  if (adopted === undefined)
    return { session, mount, adopted: false, left: [], lastRun: 0 }
  await clearUnshownMounts(session.directory, mount.current.directory)
  const left = await meetShims({ session, clock, logger })
  cleanup.add('Pods of before', async () => {
    await endAll(left)
    // Of shims that were killed before anybody went on with their Pods.
    await clearPods(session.directory)
  })
  const ids = idsOf(left)
  const pods = path.join(session.directory, 'pods')
  const lastRun = Math.max(
    await clearEndedRuns(pods, ids, logger),
    // On the one that takes the place of a dead one there are none.
    (await isGone(adopted))
      ? 0
      : await clearEndedRuns(adopted.directory, ids, logger),
  )
  const before = abandoned?.treeDirectory
  return {
    session,
    mount,
    adopted: true,
    ...(before !== undefined && { treeDirectory: before }),
    left,
    lastRun,
  }
}

/** Of all of a session's mounts; one may be there twice. */
async function statsOf(
  mounts: readonly RenewedMount[],
): Promise<Readonly<Record<string, number>>> {
  const each = [...new Set(mounts)].map(mount => mount.stats())
  const sums: Record<string, number> = {}
  for (const stats of await Promise.all(each))
    for (const [name, count] of Object.entries(stats))
      sums[name] = (sums[name] ?? 0) + count
  return sums
}

function idsOf(left: readonly LeftShim[]): ReadonlySet<string> {
  return new Set(left.map(({ id }) => id))
}

/** Those that nobody has taken care of. */
async function endAll(left: readonly LeftShim[]): Promise<void> {
  await Promise.all(left.map(({ client }) => client.end()))
}

/** Equal for two podfs whose mounts are laid out alike. */
function treeLayout({
  backend,
  fuse,
}: SettingsFor<'backend' | 'fuse.answerOpens'>): string {
  return JSON.stringify(['serve', backend, fuse.answerOpens])
}

/**
 * Removes what a podfs before this one has left and no object asks for, as soon as it is known
 * which objects there are: what a broken file or a path that is away has stays. Returns what
 * ends it.
 */
function onceSound(
  sources: LiveSources,
  { clock, notice }: ServeRequest,
  removeStrangers: () => void,
): () => void {
  let timer: { cancel(): void } | undefined
  const look = (): void => {
    if (sources.isSound) removeStrangers()
    else timer = clock.after(strangersMs, look)
  }
  if (!sources.isSound)
    notice(
      'the input has mistakes or empty files: what was served before and is not in it stays until they are mended',
    )
  look()
  return () => timer?.cancel()
}
