import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import packet, { type Answer, type Packet } from 'dns-packet'
import type { Clock } from '../../util/clock.ts'
import { deferred } from '../../util/deferred.ts'
import { inBackground } from '../../util/in-background.ts'
import type { ServiceTable } from '../service-table.ts'
import {
  readMessages,
  type Transport,
  Upstream,
  withLength,
} from './upstream.ts'
import { askZone, type DnsRecord, type ZoneAnswer } from './zone.ts'

const port = 53
/** Seconds; as a cluster's CoreDNS is configured by kubeadm, but shorter: Pods come and go. */
const ttl = 5
/** RFC 1035; more where the question has an OPT record. */
const smallestUdp = 512
const largestUdp = 1232
/** Of names that are names for other names. */
const mostAliases = 8
/** A connection on which nothing is asked. */
const idleMs = 10_000

const nameError = 3
const serverFailure = 2
const notImplemented = 4

/**
 * Answers for the names of Services at an address of its own, port 53, and asks the machine's
 * resolver for all others.
 */
export class DnsServer {
  readonly #clock: Clock
  readonly #upstream: Upstream
  #table: ServiceTable
  #udp: UdpSocket | undefined
  #tcp: Server | undefined
  readonly #connections = new Set<Socket>()
  #turn = 0

  constructor(
    table: ServiceTable,
    options: { readonly resolvConf: string; readonly clock: Clock },
  ) {
    this.#table = table
    this.#clock = options.clock
    this.#upstream = new Upstream({ ...options, self: table.nameserver })
  }

  get address(): string {
    return this.#table.nameserver
  }

  set(table: ServiceTable): void {
    this.#table = table
  }

  /** Rejects with the error of bind(2). */
  async listen(): Promise<void> {
    const udp = createSocket('udp4')
    this.#udp = udp
    udp.bind(port, this.address)
    await once(udp, 'listening')
    udp.on('error', () => undefined)
    udp.on('message', (query, { address, port }) => {
      const answer = async (): Promise<void> => {
        const message = await this.#answer(query, 'udp')
        if (message !== undefined && this.#udp === udp)
          udp.send(message, port, address)
      }
      inBackground(answer())
    })
    const tcp = createServer(socket => this.#serve(socket))
    tcp.listen({ host: this.address, port })
    await once(tcp, 'listening')
    tcp.on('error', () => undefined)
    this.#tcp = tcp
  }

  async close(): Promise<void> {
    const { promise, resolve } = deferred<void>()
    const udp = this.#udp
    this.#udp = undefined
    if (udp === undefined) resolve()
    else udp.close(resolve)
    this.#tcp?.close()
    for (const socket of this.#connections) socket.destroy()
    await promise
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket)
    socket.once('close', () => this.#connections.delete(socket))
    socket.on('error', () => undefined)
    socket.setTimeout(idleMs, () => socket.destroy())
    readMessages(socket, query => {
      const answer = async (): Promise<void> => {
        const message = await this.#answer(query, 'tcp')
        if (message !== undefined) socket.write(withLength(message))
      }
      inBackground(answer())
    })
  }

  /** Undefined to what is no question. */
  async #answer(
    query: Buffer,
    transport: Transport,
  ): Promise<Buffer | undefined> {
    let asked: Packet
    try {
      asked = packet.decode(query)
    } catch {
      return undefined
    }
    const [question, ...others] = asked.questions ?? []
    if (asked.type !== 'query' || question === undefined) return undefined
    if (others.length > 0) return failure(asked, notImplemented)
    const { name, type } = question
    const found = askZone(this.#table, name, type)
    if (found === undefined)
      return (
        (await this.#upstream.ask(query, transport)) ??
        failure(asked, serverFailure)
      )
    const answers = await this.#withAliases(found, type)
    return this.#encode(asked, found, answers, transport)
  }

  /** An alias is followed, as whoever asks would. */
  async #withAliases(
    { answers }: ZoneAnswer,
    type: string,
  ): Promise<readonly Answer[]> {
    const all = this.#inTurn(answers).map(withTtl)
    if (type === 'CNAME') return all
    for (let i = 0; i < mostAliases; i++) {
      const last = all.at(-1)
      if (last?.type !== 'CNAME') break
      const found = askZone(this.#table, last.data, type)
      if (found !== undefined) all.push(...found.answers.map(withTtl))
      else return [...all, ...(await this.#askUpstream(last.data, type))]
      if (found.answers.length === 0) break
    }
    return all
  }

  async #askUpstream(name: string, type: string): Promise<readonly Answer[]> {
    const query = packet.encode({
      type: 'query',
      id: Math.floor(Math.random() * 65_536),
      flags: packet.RECURSION_DESIRED,
      questions: [{ name, type: type as 'A' }],
    })
    const answer = await this.#upstream.ask(query, 'udp')
    if (answer === undefined) return []
    try {
      return packet.decode(answer).answers ?? []
    } catch {
      return []
    }
  }

  /** Each Pod of a headless Service is the first in its turn. */
  #inTurn(records: readonly DnsRecord[]): readonly DnsRecord[] {
    if (records.length < 2) return records
    this.#turn += 1
    const start = this.#turn % records.length
    return [...records.slice(start), ...records.slice(0, start)]
  }

  #encode(
    asked: Packet,
    { exists, additionals }: ZoneAnswer,
    answers: readonly Answer[],
    transport: Transport,
  ): Buffer {
    const opt = (asked.additionals ?? []).find(({ type }) => type === 'OPT')
    const message: Packet = {
      ...reply(asked),
      flags:
        commonFlags(asked) |
        packet.AUTHORITATIVE_ANSWER |
        (exists ? 0 : nameError),
      answers: [...answers],
      authorities: answers.length === 0 ? [this.#authority()] : [],
      additionals: [
        ...additionals.map(withTtl),
        ...(opt === undefined ? [] : [ownOpt]),
      ],
    }
    const encoded = packet.encode(message)
    const most =
      opt === undefined
        ? smallestUdp
        : Math.max(
            smallestUdp,
            Math.min(
              (opt as { udpPayloadSize?: number }).udpPayloadSize ?? 0,
              largestUdp,
            ),
          )
    if (transport === 'tcp' || encoded.length <= most) return encoded
    // It is asked again by TCP.
    return packet.encode({
      ...reply(asked),
      flags:
        commonFlags(asked) |
        packet.AUTHORITATIVE_ANSWER |
        packet.TRUNCATED_RESPONSE,
      ...(opt === undefined ? {} : { additionals: [ownOpt] }),
    })
  }

  /** By which others know how long there is no such name. */
  #authority(): Answer {
    const { clusterDomain } = this.#table
    return {
      type: 'SOA',
      name: clusterDomain,
      ttl,
      data: {
        mname: `ns.dns.${clusterDomain}`,
        rname: `hostmaster.${clusterDomain}`,
        serial: Math.floor(this.#clock.now() / 1000),
        refresh: 7200,
        retry: 1800,
        expire: 86_400,
        minimum: ttl,
      },
    }
  }
}

const ownOpt = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: largestUdp,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
} as const satisfies Answer | object as unknown as Answer

function withTtl(record: DnsRecord): Answer {
  return { ...record, ttl, class: 'IN' }
}

function reply({ id, questions }: Packet): Packet {
  return { type: 'response', id, questions }
}

function commonFlags({ flags = 0 }: Packet): number {
  return (flags & packet.RECURSION_DESIRED) | packet.RECURSION_AVAILABLE
}

function failure(asked: Packet, rcode: number): Buffer {
  return packet.encode({ ...reply(asked), flags: commonFlags(asked) | rcode })
}
