import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import type {
  JobProgress,
  JobRules,
  KubeObject,
  ObjectMeta,
  Pod,
} from '../api/types.ts'
import type { PodEvent } from '../runner/status/pod-events.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import type { ServiceBackends } from '../services/service-backends.ts'
import type { ServiceEntry } from '../services/service-table.ts'
import type { OpenStreams } from '../streams/container-streams.ts'
import type { Clock } from '../util/clock.ts'
import type { VolumeControl } from '../volumes/volume-control.ts'
import { ContainerLog, type LogState } from './container-log.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import { EventLog, type RecordedEvent } from './event-log.ts'

/*
 * What a session has to remember for those who look into it later: statuses, events, output,
 * volumes. It is there from the session's first moment, and so it is small and loads nothing;
 * the server that shows it comes after everything is up (api-server.ts).
 */

/** One published volume, or one that cannot be published yet. */
export interface VolumeRecord {
  readonly namespace: string
  /** '' for a volume without a Pod. */
  readonly pod: string
  readonly volume: string
  /** `secret`, `configMap`, `downwardAPI` or `projected`. */
  readonly type: string
  /** Where it can be read: a path, or CONTAINER:PATH. */
  readonly mountpoints: readonly string[]
  /** How often its content was published; 0 before the first time. */
  readonly generation: number
  readonly keys: number
  /** The generation that is shown again, until the sources change. */
  readonly pinned?: number
  /** Milliseconds since 1970. */
  readonly publishedAt?: number
  /** How long that took. */
  readonly publishMs?: number
  /** Why it is not up to date. */
  readonly error?: string
  /** Why the containers of its Pod do not see it as it is elsewhere. */
  readonly containersError?: string
  /** What it shows of the store. */
  readonly objects: readonly ObjectKey[]
  /** Its past, and what can be done with it. */
  readonly control: VolumeControl
  /** It is there whether its Pod runs or not. */
  readonly outlivesPod?: boolean
}

/** A Pod that is run here. */
export interface LivePod {
  readonly pod: Pod
  readonly status?: PodStatus
  readonly deletion?: {
    readonly time: number
    readonly gracePeriodSeconds: number
  }
  /** The first process of each container that runs now. */
  readonly processes?: () => ReadonlyMap<string, number>
  /** Streams of its containers. */
  readonly open?: OpenStreams
  /** Where its logs are, when they are files: log-files.ts. */
  readonly logRoot?: string
}

/** What is remembered of one Pod, as plain data: another record goes on with it. */
export interface KeptPod extends Omit<LivePod, 'processes' | 'open'> {
  readonly events: readonly RecordedEvent[]
  readonly logs: readonly KeptLog[]
}

/** Of one instance of a container. */
export interface KeptLog {
  readonly container: string
  readonly containerID: string
  readonly log: LogState
}

/** How a Job fares, or the Job that a CronJob would make. */
export interface JobRecord {
  readonly rules: JobRules
  readonly isSuspended: boolean
  /** Absent: it has not begun. */
  readonly progress?: JobProgress
  readonly end?: {
    readonly type: 'Complete' | 'Failed'
    readonly reason: string
    readonly message: string
  }
  /** Milliseconds since 1970. */
  readonly endTime?: number
  /** Of a CronJob: when one of its jobs has succeeded last. */
  readonly lastSuccessTime?: number
}

export type RecordChange =
  | { readonly kind: 'pod'; readonly key: ObjectKey }
  | { readonly kind: 'job'; readonly key: ObjectKey }
  | { readonly kind: 'services' }
  | { readonly kind: 'replicas'; readonly key: ObjectKey }
  | { readonly kind: 'backends' }
  | {
      readonly kind: 'event'
      readonly type: 'set' | 'delete'
      readonly event: RecordedEvent
    }
  | { readonly kind: 'volume'; readonly volume: VolumeRecord }
  | { readonly kind: 'volumeGone'; readonly volume: VolumeRecord }

/** The object that an event is of. */
export interface EventOwner {
  readonly kind: KubeObject['kind']
  readonly metadata: Pick<ObjectMeta, 'namespace' | 'name' | 'uid'>
}

/** Of a container: the instance that runs, and the one before it. */
const keptInstances = 2

export class SessionRecord {
  /** How long publishing took. */
  readonly publishing = new LatencyHistogram()
  readonly #clock: Clock
  readonly #pods = new Map<ObjectKey, LivePod>()
  /** Who tells of each of them; a Pod of the same name may have run before. */
  readonly #records = new Map<ObjectKey, PodRecord>()
  readonly #jobs = new Map<ObjectKey, JobRecord>()
  readonly #replicas = new Map<ObjectKey, number>()
  #services: readonly ServiceEntry[] = []
  #backends: readonly ServiceBackends[] = []
  readonly #volumes = new Map<string, VolumeRecord>()
  /** By volume; kept when a volume is told of later. */
  readonly #containersErrors = new Map<string, string>()
  readonly #events = new EventLog((type, event) =>
    this.#tell({ kind: 'event', type, event }),
  )
  /** By `KEY CONTAINER`, then by containerID, oldest first. */
  readonly #logs = new Map<string, Map<string, ContainerLog>>()
  readonly #listeners = new Set<(change: RecordChange) => void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get pods(): ReadonlyMap<ObjectKey, LivePod> {
    return this.#pods
  }

  /** By Job or CronJob. */
  get jobs(): ReadonlyMap<ObjectKey, JobRecord> {
    return this.#jobs
  }

  /** Of each workload that was scaled. */
  get replicas(): ReadonlyMap<ObjectKey, number> {
    return this.#replicas
  }

  /** Those that are forwarded, and where to. */
  get serviceEntries(): readonly ServiceEntry[] {
    return this.#services
  }

  /** Of each Service. */
  get serviceBackends(): readonly ServiceBackends[] {
    return this.#backends
  }

  get volumes(): readonly VolumeRecord[] {
    return [...this.#volumes.values()]
  }

  /** By POD and VOLUME, '' for a volume without a Pod. */
  findVolume(
    namespace: string,
    pod: string,
    volume: string,
  ): VolumeRecord | undefined {
    return this.#volumes.get(volumeKey({ namespace, pod, volume }))
  }

  get events(): readonly RecordedEvent[] {
    return this.#events.events
  }

  /** The log of one instance; undefined when it is not, or no longer, known. */
  log(
    pod: ObjectKey,
    container: string,
    containerID: string,
  ): ContainerLog | undefined {
    return this.#logs.get(`${pod} ${container}`)?.get(containerID)
  }

  watch(listener: (change: RecordChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Begins to remember a Pod, or goes on with what another record has of it; one of the same
   * name that ran before is forgotten.
   */
  pod(pod: Pod, kept?: KeptPod): PodRecord {
    const key = keyOf(pod)
    // What the Pod of a Job before this one has printed.
    const before = pod.workload?.progress ? this.logsOf(key) : []
    this.forgetPod(key)
    const { events = [], logs = before, ...live }: Partial<KeptPod> = kept ?? {}
    this.#set({ ...live, pod })
    for (const event of events) this.#events.restore(event)
    // A Pod that has replaced this one is not this one's to change, nor to end.
    const isReplaced = (): boolean => this.#records.get(key) !== record
    const record: PodRecord = new PodRecord(pod, {
      change: change => {
        const live = this.#pods.get(key)
        if (live !== undefined && !isReplaced())
          this.#set({ ...live, ...change })
      },
      event: (event, newest) => this.event(event, newest),
      log: (container, containerID) =>
        isReplaced()
          ? new ContainerLog()
          : this.#logOf(key, container, containerID),
      clock: this.#clock,
      gone: () => {
        if (!isReplaced()) this.forgetPod(key)
      },
      deletionTime: live.deletion?.time,
    })
    this.#records.set(key, record)
    record.logs(logs)
    return record
  }

  /** Undefined of a Pod that is not remembered. */
  keptOf(key: ObjectKey): KeptPod | undefined {
    const live = this.#pods.get(key)
    if (live === undefined) return undefined
    const { processes: _processes, open: _open, ...kept } = live
    const { uid } = live.pod.metadata
    return {
      ...kept,
      events: this.events.filter(event => event.involvedObject.uid === uid),
      logs: this.logsOf(key),
    }
  }

  /** Of each container the older instance first. */
  logsOf(key: ObjectKey): readonly KeptLog[] {
    return [...this.#logs].flatMap(([id, logs]) =>
      id.startsWith(`${key} `)
        ? [...logs].map(([containerID, log]) => ({
            container: id.slice(key.length + 1),
            containerID,
            log: log.state,
          }))
        : [],
    )
  }

  event(
    { type, reason, message, fieldPath }: PodEvent,
    { kind, metadata }: EventOwner,
  ): void {
    const { namespace, name, uid } = metadata
    const involvedObject = {
      kind,
      namespace,
      name,
      uid,
      ...(fieldPath === undefined ? {} : { fieldPath }),
    }
    this.#events.record(
      { type, reason, message, involvedObject },
      this.#clock.now(),
    )
  }

  job(key: ObjectKey, job: JobRecord): void {
    this.#jobs.set(key, job)
    this.#tell({ kind: 'job', key })
  }

  /** How many Pods a workload is to have; undefined: it has gone. */
  scaled(key: ObjectKey, replicas: number | undefined): void {
    if (replicas === undefined) this.#replicas.delete(key)
    else this.#replicas.set(key, replicas)
    this.#tell({ kind: 'replicas', key })
  }

  services(entries: readonly ServiceEntry[]): void {
    this.#services = entries
    this.#tell({ kind: 'services' })
  }

  backends(backends: readonly ServiceBackends[]): void {
    this.#backends = backends
    this.#tell({ kind: 'backends' })
  }

  /** Of a Pod that nobody wants any more. */
  forgetJob({ workload, metadata }: Pod): void {
    if (workload === undefined) return
    const key = objectKey(workload.kind, metadata.namespace, workload.name)
    if (this.#jobs.delete(key)) this.#tell({ kind: 'job', key })
  }

  volume(volume: VolumeRecord): void {
    const key = volumeKey(volume)
    const before = this.#volumes.get(key)?.generation ?? 0
    const { generation, publishMs } = volume
    if (generation !== before && publishMs !== undefined)
      this.publishing.observe(publishMs / 1000)
    this.#setVolume(volume)
  }

  /** `error`: of the containers of a Pod alone; undefined: they see the volume as it is. */
  volumeInContainers(
    of: Pick<VolumeRecord, 'namespace' | 'pod' | 'volume'>,
    error: string | undefined,
  ): void {
    const key = volumeKey(of)
    if (this.#containersErrors.get(key) === error) return
    if (error === undefined) this.#containersErrors.delete(key)
    else this.#containersErrors.set(key, error)
    const volume = this.#volumes.get(key)
    if (volume !== undefined) this.#setVolume(volume)
  }

  #setVolume(told: VolumeRecord): void {
    const key = volumeKey(told)
    const containersError = this.#containersErrors.get(key)
    const { containersError: before, ...rest } = told
    const volume: VolumeRecord =
      containersError === before
        ? told
        : { ...rest, ...(containersError && { containersError }) }
    this.#volumes.set(key, volume)
    this.#tell({ kind: 'volume', volume })
  }

  volumeGone(gone: Pick<VolumeRecord, 'namespace' | 'pod' | 'volume'>): void {
    const key = volumeKey(gone)
    const volume = this.#volumes.get(key)
    if (volume === undefined) return
    this.#volumes.delete(key)
    this.#containersErrors.delete(key)
    volume.control.history.forgetAll()
    this.#tell({ kind: 'volumeGone', volume })
  }

  /** How a Pod that is not remembered is shown may have changed. */
  lookAgain(key: ObjectKey): void {
    this.#tell({ kind: 'pod', key })
  }

  /** A Pod that has ended is no longer to be looked at. */
  forgetPod(key: ObjectKey): void {
    if (!this.#pods.delete(key)) return
    this.#records.delete(key)
    for (const id of this.#logs.keys())
      if (id.startsWith(`${key} `)) this.#logs.delete(id)
    for (const volume of this.#volumes.values())
      if (
        key === `Pod/${volume.namespace}/${volume.pod}` &&
        volume.outlivesPod !== true
      )
        this.volumeGone(volume)
    this.#tell({ kind: 'pod', key })
  }

  #set(live: LivePod): void {
    const key = keyOf(live.pod)
    this.#pods.set(key, live)
    this.#tell({ kind: 'pod', key })
  }

  #logOf(pod: ObjectKey, container: string, containerID: string): ContainerLog {
    const key = `${pod} ${container}`
    const logs = this.#logs.get(key) ?? new Map<string, ContainerLog>()
    this.#logs.set(key, logs)
    const known = logs.get(containerID)
    if (known !== undefined) return known
    const log = new ContainerLog()
    logs.set(containerID, log)
    for (const old of logs.keys()) {
      if (logs.size <= keptInstances) break
      logs.delete(old)
    }
    return log
  }

  #tell(change: RecordChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

interface PodRecordOptions {
  readonly change: (change: Partial<LivePod>) => void
  readonly event: (event: PodEvent, pod: Pod) => void
  readonly log: (container: string, containerID: string) => ContainerLog
  readonly clock: Clock
  readonly gone: () => void
  /** Of a Pod that is on its way out already. */
  readonly deletionTime: number | undefined
}

/** What happens to one Pod, told as it happens. */
export class PodRecord {
  readonly #options: PodRecordOptions
  #pod: Pod
  #deletionTime: number | undefined

  constructor(pod: Pod, options: PodRecordOptions) {
    this.#pod = pod
    this.#options = options
    this.#deletionTime = options.deletionTime
  }

  /** It is the same Pod, in another state. */
  updated(pod: Pod): void {
    this.#pod = pod
    this.#options.change({ pod })
  }

  status(status: PodStatus): void {
    for (const { name, containerID, state } of [
      ...(status.initContainerStatuses ?? []),
      ...status.containerStatuses,
      ...(status.ephemeralContainerStatuses ?? []),
    ])
      // Also of a container that prints nothing: its log is empty, not unknown.
      if (containerID !== undefined && state.running !== undefined)
        this.#options.log(name, containerID)
    this.#options.change({ status })
  }

  /** Asked when somebody wants to know what the containers use. */
  processes(processes: () => ReadonlyMap<string, number>): void {
    this.#options.change({ processes })
  }

  /** Where streams of its containers come from. */
  opens(open: OpenStreams): void {
    this.#options.change({ open })
  }

  /** Its logs are files: log-files.ts. */
  logsIn(logRoot: string): void {
    this.#options.change({ logRoot })
  }

  event(event: PodEvent): void {
    this.#options.event(event, this.#pod)
  }

  /** The Pod is to end; a second call can only shorten the grace period. */
  terminating(gracePeriodSeconds: number): void {
    const time = this.#options.clock.now() + gracePeriodSeconds * 1000
    if (this.#deletionTime !== undefined && time >= this.#deletionTime) return
    this.#deletionTime = time
    this.#options.change({ deletion: { time, gracePeriodSeconds } })
  }

  output(
    container: string,
    containerID: string,
    stream: 'stdout' | 'stderr',
    chunk: Buffer,
    time = this.#options.clock.now(),
  ): void {
    this.#options.log(container, containerID).push(stream, chunk, time)
  }

  outputEnd(
    container: string,
    containerID: string,
    time = this.#options.clock.now(),
  ): void {
    this.#options.log(container, containerID).close(time)
  }

  /** All that there is of them, instead of what is remembered. */
  logs(logs: readonly KeptLog[]): void {
    for (const { container, containerID, log } of logs)
      this.#options.log(container, containerID).goOnWith(log)
  }

  gone(): void {
    this.#options.gone()
  }
}

function volumeKey({
  namespace,
  pod,
  volume,
}: Pick<VolumeRecord, 'namespace' | 'pod' | 'volume'>): string {
  return `${namespace}/${pod}/${volume}`
}
