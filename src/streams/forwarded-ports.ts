/*
 * Connections to ports of a Pod over numbered channels, as a kubelet forwards them over a
 * WebSocket (cri-streaming, pkg/streaming/portforward/websocket.go). Of the Nth port channel 2N is
 * the data and 2N+1 the error; the first message in both is the port, two bytes, the lower first.
 * Here a client can end his half of a connection, too, as in v5 of the remote command protocol.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'
import { inBackground } from '../util/in-background.ts'
import { errorOf } from '../util/on-defect.ts'
import { copied, written } from './copies.ts'
import type { Wire } from './wire.ts'

export const portForwardProtocol = 'v4.channel.k8s.io'

/** One byte: the channel that ends. */
const close = 255

/** Connects to each port, and serves the connections until all have ended. */
export async function serveForwarding(
  wire: Wire,
  ports: readonly number[],
  dial: (port: number) => Promise<Socket>,
): Promise<void> {
  const sockets = ports.map(dial)
  const socketAt = async (channel: number): Promise<Socket | undefined> =>
    await sockets[channel / 2]?.catch(() => undefined)
  wire.receive(async (channel, bytes) => {
    if (channel === close) (await socketAt(bytes[0] ?? 1))?.end()
    else await written(await socketAt(channel), bytes)
  })
  const endWithWire = async (): Promise<void> => {
    await wire.closed
    for (const socket of await Promise.allSettled(sockets))
      if (socket.status === 'fulfilled') socket.value.destroy()
  }
  inBackground(endWithWire())
  await Promise.all(
    sockets.map(async (dialled, i) => {
      const port = Buffer.alloc(2)
      port.writeUInt16LE(ports[i] ?? 0)
      await wire.send(2 * i, port)
      await wire.send(2 * i + 1, port)
      try {
        await copied(await dialled, wire, 2 * i)
      } catch (error) {
        const { message } = errorOf(error)
        await wire.send(2 * i + 1, Buffer.from(message))
      }
    }),
  )
  wire.close()
}

/** The other side, of one port. Resolves when it is over, with the error if there is one. */
export async function forwardOver(
  wire: Wire,
  local: Duplex,
): Promise<string | undefined> {
  let error: string | undefined
  const begun = new Set<number>()
  wire.receive((channel, bytes) => {
    const isPort = !begun.has(channel)
    begun.add(channel)
    if (isPort) return undefined
    if (channel === 0) return written(local, bytes)
    error = bytes.toString('utf8')
    return undefined
  })
  local.on('error', () => undefined)
  inBackground(
    copied(local, wire, 0).then(() => wire.send(close, Buffer.of(0))),
  )
  inBackground(
    finished(local, { readable: false })
      .catch(() => undefined)
      .then(() => wire.drop()),
  )
  await wire.closed
  local.end()
  return error
}
