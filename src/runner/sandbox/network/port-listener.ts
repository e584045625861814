import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type Server,
  type Socket,
} from 'node:net'
import { inBackground } from '../../../util/in-background.ts'
import { breakOff, joinSockets } from '../../../util/join-sockets.ts'
import { OpenSockets } from '../../../util/open-sockets.ts'
import { eachDatagram, framed } from './datagram-frames.ts'
import type { PortMapping } from './network-provider.ts'
import { bytesOf, protocolNumbers } from './port-relay.ts'

/** As conntrack forgets what has been answered (nf_conntrack_udp_timeout_stream). */
const idleMs = 120_000
/** The one that came first makes room. */
const mostFlows = 1024

/** A port of this machine, for whoever has a PortRelay at a unix socket. */
export class PortListener {
  readonly #mapping: PortMapping
  readonly #relay: string
  readonly #sockets = new OpenSockets()
  /** Of UDP, by the client's ADDRESS:PORT. */
  readonly #flows = new Map<string, Socket>()
  #server: Server | UdpSocket | undefined

  constructor(mapping: PortMapping, relay: string) {
    this.#mapping = mapping
    this.#relay = relay
  }

  /** Rejects with the error of listen(2) or bind(2). */
  async listen(): Promise<void> {
    const { protocol, hostPort: port, hostIP } = this.#mapping
    const host = hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP
    if (protocol === 'UDP') {
      const server = createSocket('udp4')
      this.#server = server
      server.on('message', (datagram, { address, port }) =>
        this.#forward(server, datagram, { address, port }),
      )
      server.bind({ address: host, port, exclusive: true })
      await once(server, 'listening')
      server.on('error', () => undefined)
      return
    }
    const server = createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
      client => inBackground(this.#connect(client)),
    )
    this.#server = server
    server.listen({ host, port })
    await once(server, 'listening')
    // Out of descriptors: it goes on when there are some.
    server.on('error', () => undefined)
  }

  close(): void {
    this.#server?.close()
    // Of UDP it cannot be closed twice.
    this.#server = undefined
    this.#sockets.destroy()
  }

  async #connect(client: Socket): Promise<void> {
    this.#sockets.add(client)
    const relay = this.#toRelay()
    // Without it nobody answers there.
    const answer = await bytesOf(relay, 1)
    if (answer === undefined || client.destroyed) {
      relay.destroy()
      breakOff(client)
    } else joinSockets(client, relay)
  }

  #forward(
    server: UdpSocket,
    datagram: Buffer,
    client: { readonly address: string; readonly port: number },
  ): void {
    const name = `${client.address}:${client.port}`
    let flow = this.#flows.get(name)
    if (flow === undefined) {
      flow = this.#toRelay()
      flow.setTimeout(idleMs, () => flow?.destroy())
      flow.once('close', () => this.#flows.delete(name))
      eachDatagram(flow, answer =>
        server.send(answer, client.port, client.address),
      )
      this.#flows.set(name, flow)
      const [oldest] = this.#flows.values()
      if (this.#flows.size > mostFlows) oldest?.destroy()
    }
    flow.write(framed(datagram))
  }

  #toRelay(): Socket {
    const { protocol, containerPort } = this.#mapping
    const socket = createConnection({ path: this.#relay, allowHalfOpen: true })
    this.#sockets.add(socket)
    const head = Buffer.alloc(3)
    head.writeUInt8(protocolNumbers[protocol] ?? 0)
    head.writeUInt16BE(containerPort, 1)
    socket.write(head)
    return socket
  }
}
