import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { errorOf } from '../util/on-defect.ts'
import { badRequest } from './api-error.ts'
import { podIPOf } from './pod-streams.ts'
import type { Query } from './query.ts'
import type { LivePod } from './session-record.ts'

/** PodPortForwardOptions of core/v1. Throws an ApiError. */
export function forwardedPorts(query: Query): readonly number[] {
  const ports = query.all('ports').flatMap(words => words.split(','))
  if (ports.length === 0) throw badRequest('query parameter "port" is required')
  return ports.map(word => {
    const port = Number(word)
    if (Number.isInteger(port) && port > 0 && port < 65_536) return port
    throw badRequest(`invalid port ${JSON.stringify(word)}`)
  })
}

/**
 * Connects to ports of the Pod that is found now, and of none that comes after it. Throws an
 * ApiError when it does not run; what is given rejects with an Error in a kubelet's words
 * (cri-streaming, pkg/streaming/portforward/httpstream.go).
 */
export function dialerOf(
  find: () => LivePod,
): (port: number) => Promise<Socket> {
  const live = find()
  podIPOf(live)
  const { name, uid } = live.pod.metadata
  return async port => {
    try {
      const now = find()
      if (now.pod.metadata.uid !== uid) throw new Error('the pod is gone')
      return await dial(now, port)
    } catch (cause) {
      const { message } = errorOf(cause)
      throw new Error(
        `error forwarding port ${port} to pod ${name}: ${message}`,
        { cause },
      )
    }
  }
}

/**
 * Where a program of the Pod listens: at its address, or, when its network is this machine's, at
 * that of every machine.
 */
async function dial(live: LivePod, port: number): Promise<Socket> {
  const podIP = podIPOf(live)
  const failures: string[] = []
  const isShared = live.pod.spec.hostNetwork || podIP.startsWith('127.')
  const local = isShared ? ['127.0.0.1', '::1'] : []
  for (const host of [podIP, ...local]) {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
    try {
      await once(socket, 'connect')
      socket.on('error', () => undefined)
      return socket
    } catch (error) {
      failures.push(errorOf(error).message)
    }
  }
  throw new Error(failures.join(', '))
}
