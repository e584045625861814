import { isDeepStrictEqual } from 'node:util'
import type { Pod, ShownKind, ShownObject } from '../api/types.ts'
import type { SessionRecord } from '../server/session-record.ts'
import { serviceEntry, type CandidatePod } from '../services/service-entry.ts'
import type { ProxyMessage } from '../services/service-proxy.ts'
import type { ServiceTable } from '../services/service-table.ts'
import { serviceVariables } from '../services/service-variables.ts'
import { hasAddress, serviceOf } from '../services/service.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../util/clock.ts'
import { deferred } from '../util/deferred.ts'
import { inBackground } from '../util/in-background.ts'
import type { Logger } from '../util/logger.ts'

/** Forwards and answers as the table says; in this process, or in one that outlives it. */
export interface RunningProxy {
  /** Resolves when it is so. */
  apply(table: ServiceTable): Promise<void>
  /** Resolves when it is gone without having been told to. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** What depends on the network that the Pods have. */
export interface ServiceNetwork {
  /** An address at which this machine can listen, and which the Pods reach; the same each time. */
  addressOf(namespace: string, name: string): Promise<string>
  nameserver(): Promise<string>
}

export interface PodServicesOptions {
  readonly store: Store
  readonly record: SessionRecord
  /** Absent: Pods have networks from which nothing of podfs's can be reached yet. */
  readonly network?: ServiceNetwork
  readonly clusterDomain: string
  readonly clock: Clock
  readonly logger: Logger
  /** A podfs before this one has left a proxy, whose table may be old. */
  readonly isLeft?: boolean
  /** When the input has the first Service, and when the one before is gone. */
  readonly startProxy: (
    tell: (message: ProxyMessage) => void,
  ) => Promise<RunningProxy>
}

const notForwarded =
  'Services are not forwarded, nor their names answered, where Pods have networks of their own; network host does'

/** A proxy that is gone is replaced after this. */
const againMs = 200

/** What a Pod gets of the Services when it starts. */
export interface ServicesForPod {
  readonly serviceVariables: ReadonlyMap<string, string>
  /** Absent: there are none. */
  readonly nameserver: string | undefined
}

/**
 * The Services of one podfs: who gets what is sent to them, from moment to moment. Without a
 * Service in the input nothing is started, and nothing is followed but the store.
 */
export class PodServices {
  readonly #options: PodServicesOptions
  #proxy: Promise<RunningProxy> | undefined
  #table: ServiceTable | undefined
  #work: Promise<void> = Promise.resolve()
  #isScheduled = false
  #isClosed = false
  readonly #started = deferred<void>()
  #isStarted = false
  #isFollowing = false
  #isTold = false
  readonly #unfollow: (() => void)[] = []

  constructor(options: PodServicesOptions) {
    this.#options = options
    const { store } = options
    this.#unfollow.push(
      store.watch(events => {
        if (events.some(({ object }) => object.kind === 'Service'))
          this.#schedule()
      }),
    )
  }

  /** The Pods that a podfs before this one has left are known: from now on the table is right. */
  start(): void {
    this.#isStarted = true
    this.#started.resolve()
    if (this.#isNeeded()) this.#schedule()
  }

  /** Resolves when the names of the Services that there are now are answered. */
  async forPod(pod: Pod): Promise<ServicesForPod> {
    if (!this.#isNeeded())
      return { serviceVariables: new Map(), nameserver: undefined }
    await this.#started.promise
    await this.#update()
    const { services = [], nameserver } = this.#table ?? {}
    return { serviceVariables: serviceVariables(pod, services), nameserver }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const unfollow of this.#unfollow.splice(0)) unfollow()
    await this.#work
    await (await this.#proxy?.catch(() => undefined))?.close()
  }

  #isNeeded(): boolean {
    const { network, logger } = this.#options
    if (network === undefined) {
      if (this.#services().length > 0 && !this.#isTold) {
        this.#isTold = true
        logger.warn({}, notForwarded)
      }
      return false
    }
    return (
      this.#services().length > 0 ||
      this.#proxy !== undefined ||
      this.#options.isLeft === true
    )
  }

  #services(): readonly ShownObject[] {
    return this.#options.store.list<ShownKind>('Service')
  }

  /** What changes in one go is one change. */
  #schedule(): void {
    if (this.#isScheduled || this.#isClosed || !this.#isStarted) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      inBackground(this.#update())
    })
  }

  #update(): Promise<void> {
    const update = this.#work.then(() => this.#apply())
    this.#work = update.catch((err: unknown) => {
      this.#options.logger.error({ err }, 'Services are not forwarded')
    })
    return this.#work
  }

  async #apply(): Promise<void> {
    const { record } = this.#options
    if (this.#isClosed || !this.#isNeeded()) return
    this.#proxy ??= this.#startProxy()
    const table = await this.#tableNow()
    if (isDeepStrictEqual(table, this.#table)) return
    record.services(table.services)
    await (await this.#proxy).apply(table)
    this.#table = table
  }

  async #startProxy(): Promise<RunningProxy> {
    const { record, startProxy } = this.#options
    if (!this.#isFollowing) {
      this.#isFollowing = true
      this.#unfollow.push(
        record.watch(change => {
          if (change.kind === 'pod') this.#schedule()
        }),
      )
    }
    try {
      const proxy = await startProxy(message => this.#tell(message))
      inBackground(proxy.ended.then(() => this.#startAgain()))
      return proxy
    } catch (error) {
      this.#startAgain()
      throw error
    }
  }

  #startAgain(): void {
    if (this.#isClosed) return
    this.#proxy = undefined
    this.#table = undefined
    this.#options.logger.warn(
      {},
      'the Service proxy is gone; another one is started',
    )
    this.#options.clock.after(againMs, () => this.#schedule())
  }

  async #tableNow(): Promise<ServiceTable> {
    const { network, clusterDomain, record } = this.#options
    if (network === undefined) throw new Error('there is no network')
    const services = await Promise.all(
      this.#services().map(async object => {
        const service = serviceOf(object)
        const { namespace, name } = service.metadata
        const ip = hasAddress(service)
          ? await network.addressOf(namespace, name)
          : undefined
        return { service, ip }
      }),
    )
    const nameserver = await network.nameserver()
    const pods = [...record.pods.values()].map(
      ({ pod, status, deletion }): CandidatePod => ({
        pod,
        ...(status && { status }),
        isTerminating: deletion !== undefined,
      }),
    )
    return {
      clusterDomain,
      nameserver,
      services: services.map(({ service, ip }) =>
        serviceEntry(service, ip, pods),
      ),
    }
  }

  #tell(message: ProxyMessage): void {
    const { logger } = this.#options
    if (message.say === 'no names') {
      const { nameserver, why } = message
      logger.warn(
        { nameserver, why },
        'the names of Services are not answered: podfs cannot listen at port 53',
      )
      return
    }
    const { namespace, service, port, protocol } = message
    logger.warn(
      { namespace, service, port, protocol },
      'nothing is forwarded at this port of the Service: another program listens there on all addresses of this machine',
    )
  }
}

/** Network `host`: loopback addresses, as the Pods have them. */
export function hostServiceNetwork(addresses: {
  claimFor(what: string, namespace: string, name: string): Promise<string>
}): ServiceNetwork {
  return {
    addressOf: (namespace, name) =>
      addresses.claimFor('service', namespace, name),
    nameserver: () => addresses.claimFor('dns', '', ''),
  }
}
