import { isDeepStrictEqual } from 'node:util'
import type { Pod, ServiceKind, ShownObject } from '../api/types.ts'
import {
  firstUnprivilegedPort,
  firstUnprivilegedPortSysctl,
} from '../linux/unprivileged-ports.ts'
import { isClusterFirst } from '../runner/launch/resolv-conf.ts'
import type { SessionRecord } from '../server/session-record.ts'
import { isServiceKind } from '../api/schema/service-kinds.ts'
import { givenEndpoints } from '../services/given-endpoints.ts'
import {
  serviceBackends,
  type ServiceBackends,
} from '../services/service-backends.ts'
import { serviceEntry, type CandidatePod } from '../services/service-entry.ts'
import { serviceHosts } from '../services/service-hosts.ts'
import type { AppliedTable, ProxyMessage } from '../services/service-proxy.ts'
import type { ServiceTable } from '../services/service-table.ts'
import { serviceVariables } from '../services/service-variables.ts'
import { hasAddress, serviceOf } from '../services/service.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../util/clock.ts'
import { deferred } from '../util/deferred.ts'
import { inBackground } from '../util/in-background.ts'
import type { Logger } from '../util/logger.ts'
import type { ServiceNetwork } from './service-network.ts'

/** Forwards and answers as the table says; in this process, or in one that outlives it. */
export interface RunningProxy {
  /** Resolves when it is so. */
  apply(table: ServiceTable): Promise<AppliedTable>
  /** Resolves when it is gone without having been told to. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

export interface PodServicesOptions {
  readonly store: Store
  readonly record: SessionRecord
  readonly network: ServiceNetwork
  readonly clusterDomain: string
  readonly clock: Clock
  readonly logger: Logger
  readonly notice: (text: string) => void
  /** A podfs before this one has left a proxy, whose table may be old. */
  readonly isLeft?: boolean
  /** When the input has the first Service, and when the one before is gone. */
  readonly startProxy: (
    tell: (message: ProxyMessage) => void,
  ) => Promise<RunningProxy>
}

/** A proxy that is gone is replaced after this. */
const againMs = 200

/** What a Pod gets of the Services when it starts. */
export interface ServicesForPod {
  readonly serviceVariables: ReadonlyMap<string, string>
  /** Absent: there is none. */
  readonly nameserver?: string
  /** What its hosts file has besides, where there is none. */
  readonly serviceHosts?: string
}

/**
 * The Services of one podfs: who gets what is sent to them, from moment to moment. Without a
 * Service in the input nothing is started, and nothing is followed but the store.
 */
export class PodServices {
  readonly #options: PodServicesOptions
  #proxy: Promise<RunningProxy> | undefined
  #table: ServiceTable | undefined
  #hasNames = false
  #work: Promise<void> = Promise.resolve()
  #isScheduled = false
  /** Nothing has changed since the table was asked for. */
  #isCurrent = false
  #isClosed = false
  readonly #started = deferred<void>()
  #isStarted = false
  #isFollowing = false
  readonly #unfollow: (() => void)[] = []
  /** podfs may listen at the ports from this one on. */
  #firstPort = 0
  /** Those of which has been told that podfs may not listen there. */
  readonly #toldForbidden = new Set<string>()

  constructor(options: PodServicesOptions) {
    this.#options = options
    const { store } = options
    this.#unfollow.push(
      store.watch(events => {
        if (events.some(({ object }) => isServiceKind(object.kind)))
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
    if (!this.#isNeeded()) return { serviceVariables: new Map() }
    await this.#started.promise
    await this.#update()
    if (this.#table === undefined) return { serviceVariables: new Map() }
    const { services, nameserver } = this.#table
    return {
      serviceVariables: serviceVariables(pod, services),
      ...(this.#hasNames
        ? { nameserver }
        : isClusterFirst(pod.spec) && {
            serviceHosts: serviceHosts(pod, this.#table),
          }),
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const unfollow of this.#unfollow.splice(0)) unfollow()
    await this.#work
    await (await this.#proxy?.catch(() => undefined))?.close()
    // Of a proxy that was killed just now.
    await this.#options.network.free()
  }

  #isNeeded(): boolean {
    return (
      this.#objects('Service').length > 0 ||
      this.#proxy !== undefined ||
      this.#options.isLeft === true ||
      this.#options.network.needsNames()
    )
  }

  #objects(kind: ServiceKind): readonly ShownObject[] {
    return this.#options.store.list(kind)
  }

  /** What changes in one go is one change. */
  #schedule(): void {
    this.#isCurrent = false
    if (this.#isScheduled || this.#isClosed || !this.#isStarted) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      inBackground(this.#update())
    })
  }

  #update(): Promise<void> {
    if (this.#isCurrent) return this.#work
    this.#isCurrent = true
    const update = this.#work.then(() => this.#apply())
    this.#work = update.catch((err: unknown) => {
      this.#isCurrent = false
      this.#options.logger.error({ err }, 'Services are not forwarded')
    })
    return this.#work
  }

  async #apply(): Promise<void> {
    const { record } = this.#options
    if (this.#isClosed || !this.#isNeeded()) return
    this.#proxy ??= this.#startProxy()
    const { table, backends } = await this.#now()
    record.backends(backends)
    if (isDeepStrictEqual(table, this.#table)) return
    record.services(table.services)
    const { hasNames } = await (await this.#proxy).apply(table)
    this.#hasNames = hasNames
    this.#table = table
    for (const port of portsBelow(this.#firstPort, table))
      this.#tellForbidden(port)
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
    this.#isCurrent = false
    this.#options.logger.warn(
      {},
      'the Service proxy is gone; another one is started',
    )
    this.#options.clock.after(againMs, () => this.#schedule())
  }

  async #now(): Promise<{
    readonly table: ServiceTable
    readonly backends: readonly ServiceBackends[]
  }> {
    const { network, clusterDomain, record } = this.#options
    const services = await Promise.all(
      this.#objects('Service').map(async object => {
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
        ...(network.hasPodNetworks &&
          !pod.spec.hostNetwork && { ownNetwork: true }),
      }),
    )
    const given = [
      ...this.#objects('EndpointSlice'),
      ...this.#objects('Endpoints'),
    ]
    const found = services.map(({ service, ip }) => {
      const backends = serviceBackends(service, pods, given)
      const endpoints = givenEndpoints(service, given)
      const entry = serviceEntry(service, ip, backends.members, endpoints)
      return { entry, backends }
    })
    return {
      table: {
        clusterDomain,
        nameserver,
        ...(network.label && { label: network.label() }),
        services: found.map(({ entry }) => entry),
      },
      backends: found.map(({ backends }) => backends),
    }
  }

  #tell(message: ProxyMessage): void {
    const { logger } = this.#options
    if (message.say === 'no names') {
      const { nameserver, why, isForbidden } = message
      if (isForbidden) {
        this.#firstPort = firstUnprivilegedPort()
        this.#options.notice(
          `the names of Services stand in the hosts files of containers alone, because nobody may listen at port ${dnsPort} without root: programs that ask a name server (nslookup) do not find them; ${wayOut(dnsPort)}`,
        )
        return
      }
      logger.warn(
        { nameserver, why },
        'podfs cannot listen at port 53: the names of Services stand in the hosts files of containers instead, and programs that ask a name server (nslookup) do not find them',
      )
      return
    }
    if (message.say === 'no addresses') {
      const { why } = message
      logger.warn(
        { why },
        'Services are not forwarded: this machine cannot be given their addresses',
      )
      return
    }
    if (message.say === 'port forbidden') return this.#tellForbidden(message)
    const { namespace, service, port, protocol } = message
    logger.warn(
      { namespace, service, port, protocol },
      'nothing is forwarded at this port of the Service: another program listens there on all addresses of this machine',
    )
  }

  #tellForbidden({ namespace, service, port, protocol }: ForbiddenPort): void {
    const key = `${namespace}/${service} ${protocol} ${port}`
    if (this.#toldForbidden.has(key)) return
    this.#toldForbidden.add(key)
    this.#options.notice(
      `Service ${namespace}/${service}: nothing is forwarded at port ${port}, at which nobody may listen without root; ${wayOut(port)}`,
    )
  }
}

const dnsPort = 53

interface ForbiddenPort {
  readonly namespace: string
  readonly service: string
  readonly port: number
  readonly protocol: string
}

/** Pure: the ports of a table that would be forwarded, and are below this one. */
function portsBelow(
  firstPort: number,
  { services }: ServiceTable,
): readonly ForbiddenPort[] {
  return services.flatMap(({ namespace, name, ip, ports }) =>
    ports
      .filter(
        ({ port, protocol }) =>
          ip !== undefined && port < firstPort && protocol !== 'SCTP',
      )
      .map(({ port, protocol }) => ({
        namespace,
        service: name,
        port,
        protocol,
      })),
  )
}

/** What to type so that podfs may listen at a port. */
function wayOut(port: number): string {
  return `--network pod, or sudo sysctl -w ${firstUnprivilegedPortSysctl}=${port}`
}
