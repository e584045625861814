import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../util/clock.ts'
import { hasCode } from '../util/error-code.ts'
import { DnsServer } from './dns/dns-server.ts'
import {
  PortForward,
  type ForwardedPort,
  type Obstacle,
} from './port-forward.ts'
import { ServiceAddresses } from './service-addresses.ts'
import type { ServiceEntry, ServiceTable } from './service-table.ts'

const stepMs = 100
const patienceMs = 3000

/** What is told of it to whoever knows the table. */
export type ProxyMessage =
  /** Nothing can listen at a Service's port: see Obstacle. */
  | {
      readonly say: `port ${Obstacle}`
      readonly namespace: string
      readonly service: string
      readonly port: number
      readonly protocol: string
    }
  /** Nothing can listen where names are asked for; `why` is the system's word. */
  | {
      readonly say: 'no names'
      readonly nameserver: string
      readonly why: string
      /** podfs may not, whoever else listens there. */
      readonly isForbidden: boolean
    }
  /** This machine cannot be given their addresses; `why`: what ip(8) says. */
  | { readonly say: 'no addresses'; readonly why: string }

/** What came of a table. */
export interface AppliedTable {
  /** Whether names are answered at its nameserver. */
  readonly hasNames: boolean
}

interface ServiceProxyOptions {
  readonly clock: Clock
  readonly tell: (message: ProxyMessage) => void
  /** Of the machine; read anew with each question that goes there. */
  readonly resolvConf: string
}

/** Forwards the ports of Services and answers for their names, as its table says. */
export class ServiceProxy {
  /** It ends with its process. */
  readonly ended = new Promise<void>(() => {})
  readonly #options: ServiceProxyOptions
  /** By protocol, address and port. */
  readonly #ports = new Map<string, PortForward>()
  readonly #wanted = new Map<string, ForwardedPort>()
  readonly #addresses = new ServiceAddresses()
  #dns: DnsServer | undefined
  #hasNames = false

  constructor(options: ServiceProxyOptions) {
    this.#options = options
  }

  /** At once: who is not in the table gets nothing more. Resolves when names are answered. */
  async apply(table: ServiceTable): Promise<AppliedTable> {
    const wanted = new Map(
      table.services.flatMap(entry =>
        forwardedPorts(entry).map(port => [portKey(port), { port, entry }]),
      ),
    )
    for (const [key, forward] of this.#ports)
      if (!wanted.has(key)) {
        this.#ports.delete(key)
        this.#wanted.delete(key)
        await forward.close()
      }
    const addresses = addressesOf(table)
    if (table.label !== undefined) {
      const why = await this.#addresses.add(table.label, addresses)
      if (why !== undefined) this.#options.tell({ say: 'no addresses', why })
    }
    for (const [key, { port, entry }] of wanted) this.#set(key, port, entry)
    await this.#answerNames(table)
    await this.#addresses.keepOnly(addresses)
    return { hasNames: this.#hasNames }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ports.values()].map(port => port.close()))
    await this.#dns?.close()
    await this.#addresses.close()
  }

  #set(key: string, port: ForwardedPort, entry: ServiceEntry): void {
    const before = this.#wanted.get(key)
    if (isDeepStrictEqual(before, port)) return
    this.#wanted.set(key, port)
    const known = this.#ports.get(key)
    if (known !== undefined) return known.set(port)
    const { clock, tell } = this.#options
    const forward = new PortForward(port, {
      clock,
      onObstacle: obstacle => {
        if (obstacle !== undefined)
          tell({
            say: `port ${obstacle}`,
            namespace: entry.namespace,
            service: entry.name,
            port: port.at.port,
            protocol: port.protocol,
          })
      },
    })
    this.#ports.set(key, forward)
  }

  async #answerNames(table: ServiceTable): Promise<void> {
    const { resolvConf, clock, tell } = this.#options
    const known = this.#dns
    if (known?.address === table.nameserver) return known.set(table)
    this.#hasNames = false
    await known?.close()
    for (let waitedMs = 0; ; waitedMs += stepMs) {
      const dns = new DnsServer(table, { resolvConf, clock })
      this.#dns = dns
      try {
        await dns.listen()
        this.#hasNames = true
        return
      } catch (error) {
        await dns.close()
        // That of a podfs that has just been killed may be about to end.
        if (hasCode(error, 'EADDRINUSE') && waitedMs < patienceMs) {
          await clock.sleep(stepMs)
          continue
        }
        return tell({
          say: 'no names',
          nameserver: table.nameserver,
          why: (error as Error).message,
          isForbidden: hasCode(error, 'EACCES'),
        })
      }
    }
  }
}

function addressesOf({
  nameserver,
  services,
}: ServiceTable): ReadonlySet<string> {
  return new Set([nameserver, ...services.flatMap(({ ip }) => ip ?? [])])
}

function portKey({ protocol, at }: ForwardedPort): string {
  return `${protocol} ${at.ip}:${at.port}`
}

function forwardedPorts({
  ip,
  ports,
  endpoints,
  affinitySeconds,
}: ServiceEntry): readonly ForwardedPort[] {
  if (ip === undefined) return []
  return ports.flatMap(({ protocol, port }, i) =>
    protocol === 'TCP' || protocol === 'UDP'
      ? {
          at: { ip, port },
          protocol,
          targets: endpoints.flatMap(({ ip, ownNetwork, targets }) => {
            const target = targets[i]
            return target === undefined
              ? []
              : { ip, port: target, ...(ownNetwork && { ownNetwork }) }
          }),
          ...(affinitySeconds !== undefined && { affinitySeconds }),
        }
      : [],
  )
}
