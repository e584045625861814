import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type Server,
  type Socket,
} from 'node:net'
import { inBackground } from '../util/in-background.ts'
import { joinSockets } from '../util/join-sockets.ts'
import { OpenSockets } from '../util/open-sockets.ts'
import type { EndpointChooser, Target } from './choose-endpoint.ts'

/** One that does not answer is as good as gone. */
const connectMs = 3000

/** Hands connections at one address and port on to the places of a Service. */
export class TcpForward {
  readonly #chooser: EndpointChooser
  readonly #sockets = new OpenSockets()
  #server: Server | undefined

  constructor(chooser: EndpointChooser) {
    this.#chooser = chooser
  }

  /** Rejects with the error of listen(2). */
  async listen({ ip, port }: Target): Promise<void> {
    const server = createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
      client => inBackground(this.#forward(client)),
    )
    server.listen({ host: ip, port })
    await once(server, 'listening')
    // Out of descriptors: it goes on when there are some.
    server.on('error', () => undefined)
    this.#server = server
  }

  /** No more connections; those that are there go on. */
  stop(): void {
    this.#server?.close()
    this.#server = undefined
  }

  close(): void {
    this.stop()
    this.#sockets.destroy()
  }

  async #forward(client: Socket): Promise<void> {
    this.#sockets.add(client)
    const from = client.remoteAddress ?? ''
    for (const target of this.#chooser.order(from)) {
      const server = await this.#connect(target)
      if (client.destroyed) {
        server?.destroy()
        return
      }
      if (server === undefined) continue
      this.#chooser.note(from, target)
      joinSockets(client, server)
      return
    }
    // As a port at which nobody listens.
    client.resetAndDestroy()
  }

  /** Undefined: nobody is there. */
  async #connect({ ip, port }: Target): Promise<Socket | undefined> {
    const socket = createConnection({
      host: ip,
      port,
      allowHalfOpen: true,
      noDelay: true,
    })
    this.#sockets.add(socket)
    socket.setTimeout(connectMs, () => socket.destroy())
    const isConnected = await new Promise<boolean>(resolve => {
      socket.once('connect', () => resolve(true))
      socket.once('close', () => resolve(false))
    })
    socket.setTimeout(0)
    return isConnected ? socket : undefined
  }
}
