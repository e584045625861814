import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Pod } from '../api/types.ts'
import { errorOf } from '../util/on-defect.ts'
import { badRequest } from './api-error.ts'
import type { Query } from './query.ts'

/** PodPortForwardOptions of core/v1. Throws an ApiError. */
export function forwardedPorts(query: Query): readonly number[] {
  const ports = query.all('ports').flatMap(words => words.split(','))
  // kubectl asks for SPDY in a WebSocket, and names the ports only there.
  if (ports.length === 0) throw badRequest('query parameter "port" is required')
  return ports.map(word => {
    const port = Number(word)
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port
    throw badRequest(`invalid port ${JSON.stringify(word)}`)
  })
}

/**
 * Where a program of the Pod listens: at its address, or, when its network is this machine's, at
 * that of every machine.
 */
export async function dialPod(
  { metadata, spec }: Pod,
  podIP: string,
  port: number,
): Promise<Socket> {
  const failures: string[] = []
  const isShared = spec.hostNetwork || podIP.startsWith('127.')
  const local = isShared ? ['127.0.0.1', '::1'] : []
  for (const host of [podIP, ...local]) {
    const socket = connect({ host, port, allowHalfOpen: true })
    try {
      await once(socket, 'connect')
      socket.on('error', () => undefined)
      return socket
    } catch (error) {
      failures.push(errorOf(error).message)
    }
  }
  throw new Error(
    `error forwarding port ${port} to pod ${metadata.name}: ${failures.join(', ')}`,
  )
}
