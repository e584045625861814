import { readFile } from 'node:fs/promises'
import { release } from 'node:os'
import path from 'node:path'
import type { JsonObject } from '../api/json.ts'
import { mountFailure } from '../api/mount-failure.ts'
import { objectKey, type ObjectKey } from '../api/object-key.ts'
import type { KubeObject, NodeInfo, Pod, Volume } from '../api/types.ts'
import { objectsReferenced } from '../projection/projection.ts'
import { referenceKey } from '../projection/source-kind.ts'
import type { PodEvent } from '../runner/status/pod-events.ts'
import type { PodControl } from '../server/pod-control.ts'
import type { ScaleControl } from '../server/scale.ts'
import type { EventOwner, SessionRecord } from '../server/session-record.ts'
import type { Store } from '../store/store.ts'
import type { TokenIssuer } from '../tokens/token-issuer.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { Backend } from '../volumes/backend.ts'
import type { VolumeState } from '../volumes/published-volume.ts'
import type { VolumeControl } from '../volumes/volume-control.ts'
import type { SessionDirectory } from './runtime-directory.ts'
import packageJson from '../../package.json' with { type: 'json' }

/** RUNTIME/ID/api.sock, docs/cli.md. */
export const apiSocketName = 'api.sock'

/** A Pod whose volumes wait for something is to be looked into all the same. */
const longestStartMs = 1000
const firstByteMs = 20

export interface SessionServerOptions {
  readonly session: Pick<SessionDirectory, 'directory'>
  readonly store: Store
  readonly record: SessionRecord
  readonly node: NodeInfo
  readonly clock: Clock
  readonly logger: Logger
  readonly issuer: () => Promise<TokenIssuer>
  /** Pods are about to be started; until they are, nothing is under way. */
  readonly startsPods?: boolean
  readonly onUnderWay?: () => void
  /** Whether a Pod that does not run yet is going to; absent: none is. */
  readonly isToRun?: (pod: Pod) => boolean
  /** The Pods that it runs. */
  readonly control?: PodControl
  /** How many of a workload it runs. */
  readonly scaling?: ScaleControl
  /** Whose file server's figures are among the metrics. */
  readonly mount: Pick<Backend, 'stats'>
  /** In its input, at the moment. */
  readonly mistakes?: () => number
  /** Of a podfs whose configuration can be read again; see ApiServer. */
  readonly reload?: () => Promise<JsonObject>
}

/**
 * The session's API. It comes up by itself once everything is under way, so that no start
 * waits for its code; whoever wants to look in waits for the socket. Returns what ends it.
 */
export function startSessionServer(
  options: SessionServerOptions,
): () => Promise<void> {
  const { clock, logger } = options
  const abort = new AbortController()
  const startedAt = clock.now()
  const serving = (async () => {
    await underWay(options, abort.signal)
    options.onUnderWay?.()
    if (abort.signal.aborted) return undefined
    const [{ ApiServer }, { metricsText }, osImage] = await Promise.all([
      import('../server/api-server.ts'),
      import('../server/metrics.ts'),
      prettyName(),
    ])
    const { store, record, issuer, isToRun, control, scaling, reload } = options
    const server = new ApiServer({
      store,
      record,
      clock,
      logger,
      issuer,
      isToRun,
      control,
      scaling,
      reload,
      node: {
        node: options.node,
        startedAt,
        version: packageJson.version,
        kernelVersion: release(),
        osImage,
      },
      metrics: async () =>
        await metricsText(
          record,
          await options.mount.stats?.(),
          options.mistakes?.(),
        ),
    })
    await server.listen(path.join(options.session.directory, apiSocketName))
    return server
  })().catch((err: unknown) => {
    logger.warn({ err }, 'nobody can look into this podfs: no API socket')
    return undefined
  })
  return async () => {
    abort.abort()
    await (await serving)?.close()
  }
}

/** Resolves when the containers run, or all volumes are there, or it takes too long. */
async function underWay(
  { record, clock, startsPods = false }: SessionServerOptions,
  abort: AbortSignal,
): Promise<void> {
  await new Promise<void>(resolve => {
    const look = (): void => {
      if (!abort.aborted && !isUnderWay(record, startsPods)) return
      unwatch()
      timer.cancel()
      abort.removeEventListener('abort', look)
      resolve()
    }
    const unwatch = record.watch(look)
    const timer = clock.after(longestStartMs, () => {
      unwatch()
      resolve()
    })
    abort.addEventListener('abort', look)
    look()
  })
  // What waits for its turn to run is nearer to the first byte than this, and so is what a
  // container begins with.
  if (startsPods) await clock.sleep(firstByteMs, abort).catch(() => undefined)
  else await new Promise(resolve => setImmediate(resolve))
}

function isUnderWay(
  { pods, volumes }: SessionRecord,
  startsPods: boolean,
): boolean {
  if (pods.size === 0)
    return !startsPods && volumes.every(({ generation }) => generation > 0)
  const states = [...pods.values()]
    .flatMap(({ status }) => status?.containerStatuses ?? [])
    .map(({ state }) => state)
  return (
    states.some(({ running }) => running !== undefined) &&
    // Its start is a matter of milliseconds, unless it waits for init containers.
    states.every(({ waiting }) => waiting?.reason !== 'ContainerCreating')
  )
}

/**
 * Hands on how a volume stands, and makes the kubelet's event of what stands in its way; what a
 * person has done to it is an event, too.
 */
export function volumeRecorder(options: {
  readonly record: SessionRecord
  /** Whose volumes they are, for the events. */
  readonly owner: () => EventOwner
  readonly namespace: string
  /** '' when they are those of no Pod. */
  readonly pod: string
  readonly outlivesPod?: boolean
  /** What it is called; absent: as in the Pod. */
  readonly name?: string
  readonly mountpoints: (volume: string) => readonly string[]
}): (state: VolumeState, control: VolumeControl) => void {
  const { record, owner, namespace, pod, outlivesPod = false } = options
  const before = new Map<string, VolumeState>()
  return (state, control) => {
    const { volume, error, ...facts } = state
    const source = Object.keys(volume).find(key => key !== 'name') ?? ''
    record.volume({
      ...facts,
      control,
      namespace,
      pod,
      volume: options.name ?? volume.name,
      type: source,
      mountpoints: options.mountpoints(volume.name),
      outlivesPod,
      objects: objectsOf(volume, namespace),
      ...(error === undefined ? {} : { error }),
    })
    if (error !== undefined)
      record.event(
        {
          type: 'Warning',
          reason: 'FailedMount',
          message: mountFailure(volume.name, error),
        },
        owner(),
      )
    const event = pinEvent(state, before.get(volume.name))
    if (event !== undefined) record.event(event, owner())
    before.set(volume.name, state)
  }
}

function objectsOf(volume: Volume, namespace: string): readonly ObjectKey[] {
  return objectsReferenced(volume).map(reference =>
    referenceKey(reference, namespace),
  )
}

/** The object of the key, or what is known of it while no source has it. */
export function ownerAt(
  store: Store,
  kind: KubeObject['kind'],
  { namespace, name }: { readonly namespace: string; readonly name: string },
): EventOwner {
  return (
    store.get(objectKey(kind, namespace, name)) ?? {
      kind,
      metadata: { namespace, name, uid: '' },
    }
  )
}

/** What a person has done to the volume, and when that is over. */
function pinEvent(
  { volume, generation, pinned, rollbackTo }: VolumeState,
  before: VolumeState | undefined,
): PodEvent | undefined {
  if (rollbackTo !== undefined && generation !== before?.generation)
    return {
      type: 'Normal',
      reason: 'VolumeRolledBack',
      message: `Volume "${volume.name}" shows generation ${rollbackTo} again, as generation ${generation}, until its sources change`,
    }
  if (pinned === undefined && before?.pinned !== undefined)
    return {
      type: 'Normal',
      reason: 'VolumeUnpinned',
      message: `Volume "${volume.name}" follows its sources again`,
    }
  return undefined
}

/** CONTAINER:PATH of each mount of the volume. */
export function containerMountpoints(pod: Pod, volume: string): string[] {
  const { initContainers, containers } = pod.spec
  return [...initContainers, ...containers].flatMap(({ name, volumeMounts }) =>
    volumeMounts
      .filter(mount => mount.name === volume)
      .map(({ mountPath }) => `${name}:${mountPath}`),
  )
}

async function prettyName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? 'Linux'
}
