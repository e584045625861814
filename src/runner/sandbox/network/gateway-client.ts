import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { PortMapping } from './network-provider.ts'
import { PortRelay } from './port-relay.ts'

/*
 * The gateway of an ordinary user's session (pods/gateway/) is outside of the network namespace that
 * the session has made for itself: it alone can listen at ports of the machine. One question for
 * each connection; what was asked for lasts as long as the connection.
 */

export type GatewayRequest =
  /** By a podfs that is in the namespace, in which the machine is to be reached. */
  | { readonly ask: 'begin'; readonly pid: number }
  /** There are Pods for whose sake it is to stay. */
  | { readonly ask: 'stay' }
  /** `relay`: where a PortRelay listens. */
  | {
      readonly ask: 'ports'
      readonly relay: string
      readonly mappings: readonly PortMapping[]
    }

/** A line from a podfs that has ended, of which no other one goes on with anything. */
export const gatewayFarewell = 'farewell'

export interface GatewayAnswer {
  /** Why it cannot be. */
  readonly failed?: string
  /** Why the machine, and all beyond it, is not reached. */
  readonly noEgress?: string
}

export function gatewaySocket(directory: string): string {
  return path.join(directory, 'gateway.sock')
}

/** Resolves with the first answer, and what lasts. Rejects where there is no gateway any more. */
export async function askGateway(
  directory: string,
  request: GatewayRequest,
): Promise<GatewayAnswer & { readonly socket: Socket }> {
  const socket = createConnection(gatewaySocket(directory))
  // 'close' follows.
  socket.on('error', () => undefined)
  socket.write(`${JSON.stringify(request)}\n`)
  const lines = createInterface({ input: socket })
  const line = await Promise.race([
    once(lines, 'line').then(([line]) => line as string),
    once(socket, 'close').then(() => undefined),
  ])
  if (line === undefined)
    throw new Error('the gateway of this podfs to the machine is gone')
  return { ...(JSON.parse(line) as GatewayAnswer), socket }
}

const staying = new Map<string, Promise<unknown>>()

/** For as long as this process lives. */
async function keepGateway(directory: string): Promise<void> {
  const kept =
    staying.get(directory) ??
    askGateway(directory, { ask: 'stay' }).then(({ socket }) => socket.unref())
  staying.set(directory, kept)
  await kept
}

/** Ports of the machine that lead to one Pod. */
export interface OpenPorts {
  close(): void
}

/** Rejects with the reason why one of them cannot be had; then there is none. */
export async function openPorts(
  directory: string,
  podIP: string,
  mappings: readonly PortMapping[],
): Promise<OpenPorts> {
  await keepGateway(directory)
  const relay = new PortRelay(podIP, mappings)
  const file = path.join(directory, `${randomBytes(6).toString('hex')}.sock`)
  await relay.listen(file)
  let socket: Socket | undefined
  const close = (): void => {
    socket?.destroy()
    // It removes its file.
    relay.close()
  }
  try {
    const answer = await askGateway(directory, {
      ask: 'ports',
      relay: file,
      mappings,
    })
    socket = answer.socket
    socket.unref()
    if (answer.failed !== undefined) throw new Error(answer.failed)
    return { close }
  } catch (error) {
    close()
    await rm(file, { force: true })
    throw error
  }
}
