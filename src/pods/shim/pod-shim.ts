import type { Socket } from 'node:net'
import { keyOf, objectKey, type ObjectKey } from '../../api/object-key.ts'
import type { ConfigMap, Pod, Secret } from '../../api/types.ts'
import type {
  PodStatus,
  WrittenStatus,
} from '../../runner/status/pod-status.ts'
import { type PodRecord, SessionRecord } from '../../server/session-record.ts'
import type { Clock } from '../../util/clock.ts'
import {
  type PodHost,
  type PodPlan,
  type PodProcesses,
  startPodProcesses,
} from '../pod-processes.ts'
import { type ManagedVolume } from '../container-volumes.ts'
import { forwardingLogger } from './forwarding-logger.ts'
import { HandedProbes } from './handed-probes.ts'
import { MessageStream } from './message-stream.ts'
import {
  type FromShim,
  type Objects,
  protocolVersion,
  type ToShim,
} from './messages.ts'
import { framedSocket } from '../../streams/framed-socket.ts'
import { serveRequestedStreams } from './requested-streams.ts'
import { defectMessage } from '../../util/on-defect.ts'
import { inBackground } from '../../util/in-background.ts'
import { deferred } from '../../util/deferred.ts'

/** What is there once the shim has been told what to run. */
interface Running {
  readonly plan: PodPlan
  readonly processes: PodProcesses
  readonly record: PodRecord
  /** As in RunningShim. */
  pod: Pod
  written: WrittenStatus
  finished?: PodStatus
}

/**
 * Runs one Pod for `podfs serve`, and goes on when that is gone: its containers are children of
 * this process. It remembers what is told of the Pod, as much as podfs does, for the next one.
 */
export class PodShim {
  /** Resolves when it has nothing more to do. */
  readonly done: Promise<void>
  readonly #clock: Clock
  readonly #memory: SessionRecord
  readonly #objects = new Map<ObjectKey, Secret | ConfigMap>()
  /** Where the managed volumes were last. */
  readonly #volumes = new Map<string, ManagedVolume>()
  readonly #askers = new Map<string, Set<(volume: ManagedVolume) => void>>()
  #serve: MessageStream<ToShim, FromShim> | undefined
  /** What that podfs looks after. */
  #handed: HandedProbes | undefined
  /** Resolves when the next podfs comes. */
  #nextServe = deferred<void>()
  #running: Running | undefined
  #isTerminating = false
  #isBehind = false
  #closing: Promise<void> | undefined
  readonly #done = deferred<void>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#memory = new SessionRecord(clock)
    this.done = this.#done.promise
  }

  /** Whether a podfs listens. */
  get hasServe(): boolean {
    return this.#serve !== undefined
  }

  /** Resolves when no podfs listens. */
  async alone(): Promise<void> {
    while (this.#serve !== undefined) await this.#serve.closed
  }

  /** Whether it has been told what to run. */
  get hasPod(): boolean {
    return this.#running !== undefined
  }

  /** A podfs has connected; it takes the place of the one before. */
  accept(socket: Socket): void {
    const before = this.#serve
    const stream: MessageStream<ToShim, FromShim> = new MessageStream(
      socket,
      message => {
        if (this.#serve === stream) this.#receive(message)
      },
    )
    this.#serve = stream
    const handed = new HandedProbes(this.#clock, message =>
      stream.send(message),
    )
    this.#handed = handed
    inBackground(stream.closed.then(() => handed.end()))
    this.#isBehind = false
    before?.close()
    stream.onDrain(() => {
      if (this.#serve === stream) this.#catchUp()
    })
    inBackground(this.#noteGone(stream))
    this.#greet(stream)
    this.#nextServe.resolve()
    this.#nextServe = deferred()
  }

  /** Somebody has connected who wants streams of a container. */
  acceptStreams(socket: Socket): void {
    serveRequestedStreams(framedSocket(socket), {
      clock: this.#clock,
      open: async request => {
        if (this.#running === undefined) throw new Error('nothing runs')
        return await this.#running.processes.open(request)
      },
    })
  }

  /** Ends the Pod as its deletion does, and then the shim; a second call kills at once. */
  end(): void {
    if (this.#running === undefined) this.#done.resolve()
    else this.#terminate(this.#isTerminating ? 0 : undefined)
  }

  /** A mistake in podfs itself; with nobody to hear of it, it goes untold. */
  tellDefect(defect: unknown): void {
    const logger = forwardingLogger(message => this.#tell(message))
    logger.error({ err: defect }, defectMessage)
  }

  async #noteGone(stream: MessageStream<ToShim, FromShim>): Promise<void> {
    await stream.closed
    if (this.#serve !== stream) return
    this.#serve = undefined
    this.#handed = undefined
    // Nobody will ever say what it is to run, or that it may go.
    if (this.#running === undefined) this.#done.resolve()
    else this.#closeAlone()
  }

  #greet(stream: MessageStream<ToShim, FromShim>): void {
    const running = this.#running
    const record = running && this.#memory.keptOf(keyOf(running.plan.pod))
    if (running === undefined || record === undefined)
      return stream.send({ say: 'hello', protocol: protocolVersion })
    const { plan, pod, processes, written, finished } = running
    stream.send({
      say: 'hello',
      protocol: protocolVersion,
      running: {
        plan: { ...plan, pod },
        isTerminating: this.#isTerminating,
        written,
        record,
        processes: processes.processes(),
        ...(finished === undefined ? {} : { finished }),
      },
    })
  }

  #receive(message: ToShim): void {
    const processes = this.#running?.processes
    switch (message.say) {
      case 'start':
        this.#setObjects(message.objects)
        if (this.#running === undefined) this.#start(message.plan)
        return
      case 'objects':
        return this.#setObjects(message.objects)
      case 'update':
        return this.#update(message.pod)
      case 'written':
        if (this.#running !== undefined) this.#running.written = message.written
        return processes?.setWritten(message.written)
      case 'wake':
        return processes?.wake()
      case 'volume': {
        const { name, volume } = message
        this.#volumes.set(name, volume)
        for (const tell of this.#askers.get(name) ?? []) tell(volume)
        this.#askers.delete(name)
        return
      }
      case 'renew volumes':
        return inBackground(this.#renewVolumes(message.request))
      case 'looked':
        return this.#handed?.looked(message.probe, message.look)
      case 'looking':
        return this.#handed?.looking()
      case 'terminate':
        return this.#terminate(message.gracePeriodSeconds)
      case 'rest':
        return inBackground(this.#rest())
      case 'close':
        return inBackground(this.#close())
    }
  }

  #start(plan: PodPlan): void {
    const record = this.#memory.pod(plan.pod)
    const host: PodHost = {
      secret: name => this.#object(plan, 'Secret', name) as Secret | undefined,
      configMap: name =>
        this.#object(plan, 'ConfigMap', name) as ConfigMap | undefined,
      managedVolume: name => this.#managedVolume(name),
      status: status => {
        record.status(status)
        // The first one comes while they are being started.
        const processes = this.#running?.processes.processes() ?? new Map()
        this.#tell({ say: 'status', status, processes })
      },
      event: event => {
        record.event(event)
        this.#tell({ say: 'event', event })
      },
      output: (container, containerID, stream, chunk, time) => {
        // It is in a file, where podfs reads it.
        if (plan.logFiles !== undefined) return
        record.output(container, containerID, stream, chunk, time)
        const about = { container, containerID, time }
        this.#tellOutput({ say: 'output', ...about, stream, chunk })
      },
      outputEnd: (container, containerID, time) => {
        if (plan.logFiles !== undefined) return
        record.outputEnd(container, containerID, time)
        this.#tellOutput({ say: 'output end', container, containerID, time })
      },
      notice: text => this.#tell({ say: 'notice', text }),
      failedMount: (fieldPath, message) =>
        this.#tell({ say: 'failed mount', fieldPath, message }),
      lookout: (well, stop) => this.#handed?.hand(well, stop),
    }
    const logger = forwardingLogger(message => this.#tell(message))
    const processes = startPodProcesses(plan, host, {
      clock: this.#clock,
      logger,
    })
    const { pod } = plan
    const written = { conditions: [] }
    const running: Running = { plan, processes, record, pod, written }
    this.#running = running
    inBackground(this.#noteEnd(running))
  }

  async #noteEnd(running: Running): Promise<void> {
    let status: PodStatus
    try {
      status = await running.processes.finished
    } catch (error) {
      // Without an end of its Pod it is of no use: podfs starts the Pod again when it is gone.
      this.tellDefect(error)
      return await this.#close()
    }
    running.finished = status
    this.#tell({ say: 'finished', status })
    this.#closeAlone()
  }

  #object(
    { pod }: PodPlan,
    kind: 'Secret' | 'ConfigMap',
    name: string,
  ): Secret | ConfigMap | undefined {
    return this.#objects.get(objectKey(kind, pod.metadata.namespace, name))
  }

  #setObjects(objects: Objects): void {
    this.#objects.clear()
    for (const object of objects) this.#objects.set(keyOf(object), object)
  }

  #update(pod: Pod): void {
    const running = this.#running
    if (running === undefined) return
    const { ephemeralContainers } = pod.spec
    running.pod = {
      ...running.pod,
      metadata: pod.metadata,
      spec: {
        ...running.pod.spec,
        ...(ephemeralContainers && { ephemeralContainers }),
      },
    }
    running.record.updated(pod)
    running.processes.update(pod)
  }

  /** Asks podfs; without one, what it said last. */
  async #managedVolume(name: string): Promise<ManagedVolume> {
    for (;;) {
      const serve = this.#serve
      const known = this.#volumes.get(name)
      if (serve === undefined) {
        if (known !== undefined) return known
        await this.#nextServe.promise
        continue
      }
      const answered = new Promise<ManagedVolume>(resolve => {
        const askers = this.#askers.get(name) ?? new Set()
        this.#askers.set(name, askers.add(resolve))
      })
      serve.send({ say: 'volume?', name })
      const gone = serve.closed.then(() => undefined)
      const volume = await Promise.race([answered, gone])
      if (volume !== undefined) return volume
    }
  }

  async #renewVolumes(request: number): Promise<void> {
    try {
      await this.#running?.processes.renewVolumes()
      this.#tell({ say: 'volumes renewed', request })
    } catch (thrown) {
      const error = (thrown as Error).message
      this.#tell({ say: 'volumes renewed', request, error })
    }
  }

  #terminate(gracePeriodSeconds: number | undefined): void {
    const running = this.#running
    if (running === undefined) return
    this.#isTerminating = true
    const { record, processes, plan } = running
    record.terminating(
      gracePeriodSeconds ?? plan.pod.spec.terminationGracePeriodSeconds,
    )
    processes.terminate(gracePeriodSeconds)
    this.#closeAlone()
  }

  /** Nothing of the Pod is there any more, but what is told of it. */
  async #rest(): Promise<void> {
    await this.#running?.processes.finished
    await this.#running?.processes.close()
    this.#tell({ say: 'resting' })
  }

  /** A Pod that was to go and has gone needs nobody who says so. */
  #closeAlone(): void {
    const hasEnded = this.#running?.finished !== undefined
    if (this.#isTerminating && hasEnded && !this.hasServe)
      inBackground(this.#close())
  }

  async #close(): Promise<void> {
    this.#closing ??= (async () => {
      const processes = this.#running?.processes
      // One that goes on, because podfs itself has failed, is killed.
      processes?.terminate(0)
      await processes?.finished.catch(() => undefined)
      await processes?.close()
      this.#done.resolve()
    })()
    await this.#closing
  }

  #tell(message: FromShim): void {
    this.#serve?.send(message)
  }

  /** What a podfs that is behind misses, it gets as a whole. */
  #tellOutput(message: FromShim): void {
    if (this.#serve?.isBehind === true) this.#isBehind = true
    if (!this.#isBehind) this.#tell(message)
  }

  #catchUp(): void {
    if (!this.#isBehind || this.#running === undefined) return
    this.#isBehind = false
    const key = keyOf(this.#running.plan.pod)
    this.#tell({ say: 'logs', logs: this.#memory.logsOf(key) })
  }
}
