import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import type { Pod } from '../../api/types.ts'
import type {
  PodStatus,
  WrittenStatus,
} from '../../runner/status/pod-status.ts'
import type { KeptLog } from '../../server/session-record.ts'
import type { Clock } from '../../util/clock.ts'
import { Failure } from '../../util/failure.ts'
import type { Logger } from '../../util/logger.ts'
import {
  isRunning,
  type ProcessIdentity,
} from '../../linux/process-identity.ts'
import type { PodHost, PodPlan, PodProcesses } from '../pod-processes.ts'
import { environmentObjects } from './environment-objects.ts'
import { MessageStream } from './message-stream.ts'
import {
  type FromShim,
  protocolVersion,
  type RunningShim,
  type ToShim,
} from './messages.ts'
import type { OpenStreams } from '../../streams/container-streams.ts'
import { framedSocket } from '../../streams/framed-socket.ts'
import { requestStreams } from './requested-streams.ts'
import { deferred } from '../../util/deferred.ts'
import { inBackground } from '../../util/in-background.ts'
import { WatchedProbes } from './watched-probes.ts'

/** What only a shim tells, beside what every Pod's processes tell. */
export interface ShimHost extends PodHost {
  /** All of the Pod's output that there is, instead of what has been told. */
  logs(logs: readonly KeptLog[]): void
}

export interface ShimClientOptions {
  readonly identity: ProcessIdentity
  /** Where it hands out streams. */
  readonly streamsSocket: string
  readonly clock: Clock
  readonly logger: Logger
}

const stepMs = 5

/** The end of a pod shim's socket that is podfs's. */
export class ShimClient implements PodProcesses {
  readonly finished: Promise<PodStatus>
  /** Resolves with what it runs, if anything; rejects when it does not speak as it should. */
  readonly greeted: Promise<RunningShim | undefined>
  readonly #options: ShimClientOptions
  readonly #stream: MessageStream<FromShim, ToShim>
  readonly #renewals = new Map<number, (error: string | undefined) => void>()
  /** What came before there was somebody to tell. */
  readonly #early: FromShim[] = []
  #host: ShimHost | undefined
  #pod: Pod | undefined
  #processes: ReadonlyMap<string, number> = new Map()
  #objects: ReturnType<typeof environmentObjects> = []
  #requests = 0
  readonly #probes: WatchedProbes
  readonly #hello = deferred<RunningShim | undefined>()
  readonly #last = deferred<PodStatus>()
  readonly #resting = deferred<true>()

  constructor(socket: Socket, options: ShimClientOptions) {
    this.#options = options
    const stream = new MessageStream<FromShim, ToShim>(socket, message =>
      this.#receive(message),
    )
    this.#stream = stream
    this.#probes = new WatchedProbes(options.clock, message =>
      stream.send(message),
    )
    inBackground(stream.closed.then(() => this.#probes.end()))
    const gone = stream.closed.then(() => {
      throw new Failure(
        'failed',
        `its shim (pid ${options.identity.pid}) ended`,
      )
    })
    this.greeted = Promise.race([this.#hello.promise, gone])
    this.finished = Promise.race([this.#last.promise, gone])
    // Perhaps nobody waits.
    for (const each of [this.greeted, this.finished])
      each.catch(() => undefined)
  }

  /** Runs what is planned, unless the shim has begun with it already; `host` is told, and asked. */
  follow(plan: PodPlan, host: ShimHost): PodProcesses {
    this.#host = host
    this.#pod = plan.pod
    const objects = environmentObjects(plan.pod, host)
    this.#objects = objects
    // It takes it as `objects` when it runs already.
    this.#stream.send({ say: 'start', plan, objects })
    for (const message of this.#early.splice(0)) this.#receive(message)
    this.#stream.resume()
    return this
  }

  #receive(message: FromShim): void {
    if (message.say === 'hello') return this.#onHello(message)
    if (message.say === 'finished') return this.#last.resolve(message.status)
    // Of a Pod that nobody follows any more, too.
    if (message.say === 'look')
      return this.#probes.watch(message.probe, message.well)
    if (message.say === 'leave') return this.#probes.leave(message.probe)
    const host = this.#host
    if (host === undefined) {
      this.#early.push(message)
      return
    }
    switch (message.say) {
      case 'status':
        this.#processes = message.processes
        return host.status(message.status)
      case 'event':
        return host.event(message.event)
      case 'output': {
        const { container, containerID, stream, chunk, time } = message
        return host.output(container, containerID, stream, chunk, time)
      }
      case 'output end': {
        const { container, containerID, time } = message
        return host.outputEnd(container, containerID, time)
      }
      case 'logs':
        return host.logs(message.logs)
      case 'volume?':
        return this.#answerVolume(host, message.name)
      case 'volumes renewed':
        return this.#renewals.get(message.request)?.(message.error)
      case 'resting':
        return this.#resting.resolve(true)
      case 'notice':
        return host.notice(message.text)
      case 'failed mount':
        return host.failedMount(message.fieldPath, message.message)
      case 'log':
        return this.#options.logger[message.level](
          message.facts,
          message.message,
        )
    }
  }

  update(pod: Pod): void {
    this.#pod = pod
    // Before: a container that is new in it may need them.
    this.#sendObjects()
    this.#stream.send({ say: 'update', pod })
  }

  setWritten(written: WrittenStatus): void {
    this.#stream.send({ say: 'written', written })
  }

  wake(): void {
    this.#sendObjects()
    this.#stream.send({ say: 'wake' })
  }

  #sendObjects(): void {
    if (this.#pod === undefined || this.#host === undefined) return
    const objects = environmentObjects(this.#pod, this.#host)
    // An object in the store is never changed, it is replaced.
    const isSame =
      objects.length === this.#objects.length &&
      objects.every((object, index) => object === this.#objects[index])
    this.#objects = objects
    if (!isSame) this.#stream.send({ say: 'objects', objects })
  }

  async renewVolumes(): Promise<void> {
    this.#requests += 1
    const request = this.#requests
    const done = new Promise<string | undefined>(resolve =>
      this.#renewals.set(request, resolve),
    )
    this.#stream.send({ say: 'renew volumes', request })
    const closed = this.#stream.closed.then(() => undefined)
    const error = await Promise.race([done, closed])
    this.#renewals.delete(request)
    if (error !== undefined) throw new Error(error)
  }

  terminate(gracePeriodSeconds?: number): void {
    this.#stream.send({
      say: 'terminate',
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    })
  }

  processes(): ReadonlyMap<string, number> {
    return this.#processes
  }

  readonly open: OpenStreams = async request => {
    const socket = createConnection(this.#options.streamsSocket)
    await once(socket, 'connect')
    return await requestStreams(framedSocket(socket), request)
  }

  /**
   * The Pod has ended by itself: the shim undoes everything, but remembers it, for this podfs's
   * successors. False when it cannot, because it is gone.
   */
  async rest(): Promise<boolean> {
    this.#stream.send({ say: 'rest' })
    const gone = this.#stream.closed.then(() => false)
    return await Promise.race([this.#resting.promise, gone])
  }

  /** One that nobody follows: ends its Pod as the deletion does, and then the shim. */
  async end(): Promise<void> {
    this.#stream.resume()
    this.terminate()
    await this.finished.catch(() => undefined)
    await this.close()
  }

  /** Resolves when the shim has undone everything and is gone. */
  async close(): Promise<void> {
    const { identity, clock } = this.#options
    this.#stream.send({ say: 'close' })
    await this.#stream.closed
    while (isRunning(identity)) await clock.sleep(stepMs)
  }

  #onHello({ protocol, running }: Extract<FromShim, { say: 'hello' }>): void {
    if (protocol !== protocolVersion)
      return this.#hello.reject(new Error(`it speaks version ${protocol}`))
    if (running === undefined) return this.#hello.resolve(undefined)
    // What it prints until somebody follows would pile up here.
    this.#stream.pause()
    this.#processes = running.processes
    if (running.finished !== undefined) this.#last.resolve(running.finished)
    const { plan } = running
    this.#hello.resolve({
      ...running,
      plan: { ...plan, pod: withPosition(plan.pod) },
    })
  }

  #answerVolume(host: ShimHost, name: string): void {
    host
      .managedVolume(name)
      .then(volume => this.#stream.send({ say: 'volume', name, volume }))
      // A mount that is lost for good: the session ends, and tells why.
      .catch(() => undefined)
  }
}

/** A function is nothing that can be sent. */
function withPosition(pod: Pod): Pod {
  const { path, line, column } = pod.source
  const position = { path, line, column }
  return { ...pod, source: { ...position, positionOf: () => position } }
}
