import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import {
  createConnection,
  createServer,
  type Server,
  type Socket,
} from 'node:net'
import { inBackground } from '../../../util/in-background.ts'
import { joinSockets } from '../../../util/join-sockets.ts'
import { OpenSockets } from '../../../util/open-sockets.ts'
import { eachDatagram, framed } from './datagram-frames.ts'
import type { Port } from './network-provider.ts'

/*
 * What comes in at a port of the machine for a Pod of an ordinary user, on its last part of the way:
 * from a unix socket, which is in no network namespace, to the Pod's address, which only this
 * process's knows. Whoever listens at the machine's port (port-listener.ts) is on the other side.
 *
 *   protocol   1 byte, as in the head of an IP packet
 *   port       2 bytes, the highest first
 *
 * TCP: then comes one byte from here, when the Pod has answered, and all else is the connection's.
 * UDP: datagrams of one client and their answers, as datagram-frames.ts has them.
 */

/** RFC 790. */
export const protocolNumbers: Readonly<Record<string, number>> = {
  TCP: 6,
  UDP: 17,
}

const headBytes = 3
/** One that does not answer is as good as gone. */
const connectMs = 3000

export class PortRelay {
  readonly #ip: string
  readonly #ports: ReadonlySet<string>
  readonly #sockets = new OpenSockets()
  #server: Server | undefined

  /** To these ports of one Pod, and no others. */
  constructor(ip: string, ports: readonly Port[]) {
    this.#ip = ip
    this.#ports = new Set(
      ports.map(port =>
        keyOf(protocolNumbers[port.protocol] ?? 0, port.containerPort),
      ),
    )
  }

  async listen(path: string): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, socket =>
      inBackground(this.#relay(socket)),
    )
    server.listen(path)
    await once(server, 'listening')
    server.on('error', () => undefined)
    server.unref()
    this.#server = server
  }

  close(): void {
    this.#server?.close()
    this.#sockets.destroy()
  }

  async #relay(socket: Socket): Promise<void> {
    this.#sockets.add(socket)
    const head = await bytesOf(socket, headBytes)
    if (head === undefined) return
    const [protocol, port] = [head.readUInt8(), head.readUInt16BE(1)]
    if (!this.#ports.has(keyOf(protocol, port))) socket.destroy()
    else if (protocol === protocolNumbers['TCP']) this.#tcp(socket, port)
    else this.#udp(socket, port)
  }

  #tcp(socket: Socket, port: number): void {
    const pod = createConnection({
      host: this.#ip,
      port,
      allowHalfOpen: true,
      noDelay: true,
    })
    this.#sockets.add(pod)
    pod.setTimeout(connectMs, () => pod.destroy())
    const giveUp = (): void => {
      socket.destroy()
    }
    pod.once('close', giveUp)
    pod.once('connect', () => {
      pod.setTimeout(0)
      pod.off('close', giveUp)
      socket.write(Buffer.of(1))
      joinSockets(socket, pod)
    })
  }

  #udp(socket: Socket, port: number): void {
    const pod = createSocket('udp4')
    // Refused, with nobody to tell.
    pod.on('error', () => undefined)
    pod.on('message', answer => socket.write(framed(answer)))
    pod.connect(port, this.#ip)
    pod.once('connect', () => {
      eachDatagram(socket, datagram => pod.send(datagram))
    })
    socket.once('end', () => socket.destroy())
    socket.once('close', () => pod.close())
  }
}

function keyOf(protocol: number, port: number): string {
  return `${protocol}/${port}`
}

/** The next ones; undefined: it has ended before. */
export async function bytesOf(
  socket: Socket,
  count: number,
): Promise<Buffer | undefined> {
  for (;;) {
    const bytes = socket.read(count) as Buffer | null
    if (bytes !== null) return bytes.length === count ? bytes : undefined
    if (socket.destroyed || socket.readableEnded) return undefined
    await new Promise<void>(resolve => {
      for (const event of ['readable', 'end', 'close'])
        socket.once(event, () => resolve())
    })
  }
}
