import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Clock } from '../util/clock.ts'
import type { EndpointChooser, Target } from './choose-endpoint.ts'

/** As conntrack forgets what has been answered (nf_conntrack_udp_timeout_stream). */
const idleMs = 120_000
/** The one that was used least lately makes room. */
const mostFlows = 1024

interface Flow {
  readonly socket: Socket
  readonly target: Target
  usedAt: number
}

/** Hands datagrams at one address and port on, and the answers back. */
export class UdpForward {
  readonly #chooser: EndpointChooser
  readonly #clock: Clock
  /** By the client's ADDRESS:PORT. */
  readonly #flows = new Map<string, Flow>()
  #server: Socket | undefined
  #sweep: { cancel(): void } | undefined

  constructor(chooser: EndpointChooser, clock: Clock) {
    this.#chooser = chooser
    this.#clock = clock
  }

  /** Rejects with the error of bind(2). */
  async listen({ ip, port }: Target): Promise<void> {
    const server = createSocket('udp4')
    server.bind(port, ip)
    await once(server, 'listening')
    server.on('error', () => undefined)
    server.on('message', (message, { address, port }) =>
      this.#forward(server, message, { ip: address, port }),
    )
    this.#server = server
  }

  /** The places have changed: who has gone gets nothing more. */
  drop(): void {
    for (const [client, { target }] of this.#flows)
      if (!this.#chooser.has(target)) this.#end(client)
  }

  stop(): void {
    for (const client of this.#flows.keys()) this.#end(client)
    this.#server?.close()
    this.#server = undefined
    this.#sweep?.cancel()
    this.#sweep = undefined
  }

  close(): void {
    this.stop()
  }

  #forward(server: Socket, message: Buffer, client: Target): void {
    const name = `${client.ip}:${client.port}`
    const flow = this.#flows.get(name) ?? this.#begin(server, name, client)
    if (flow === undefined) return
    flow.usedAt = this.#clock.elapsed()
    // The order of the map is that of use.
    this.#flows.delete(name)
    this.#flows.set(name, flow)
    flow.socket.send(message, flow.target.port, flow.target.ip)
  }

  #begin(server: Socket, name: string, client: Target): Flow | undefined {
    const [target] = this.#chooser.order(client.ip)
    if (target === undefined) return undefined
    this.#chooser.note(client.ip, target)
    const socket = createSocket('udp4')
    // Refused, with nobody to tell.
    socket.on('error', () => this.#end(name))
    socket.on('message', (answer, { address, port }) => {
      if (address === target.ip && port === target.port)
        server.send(answer, client.port, client.ip)
    })
    const flow = { socket, target, usedAt: this.#clock.elapsed() }
    this.#flows.set(name, flow)
    const [oldest] = this.#flows.keys()
    if (this.#flows.size > mostFlows && oldest !== undefined) this.#end(oldest)
    this.#sweepLater()
    return flow
  }

  #sweepLater(): void {
    this.#sweep ??= this.#clock.after(idleMs, () => {
      this.#sweep = undefined
      const before = this.#clock.elapsed() - idleMs
      for (const [client, { usedAt }] of this.#flows)
        if (usedAt <= before) this.#end(client)
      if (this.#flows.size > 0) this.#sweepLater()
    })
  }

  #end(client: string): void {
    this.#flows.get(client)?.socket.close()
    this.#flows.delete(client)
  }
}
