import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { ApiError, badRequest } from './api-error.ts'

/** Larger than what anybody sends in one message. */
const maxMessageBytes = 4 * 1024 * 1024

export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * The subprotocol to speak, '' when the client names none. Throws an ApiError when it speaks none
 * of them, or is a page in a browser: a browser lets any page in the world open a WebSocket to
 * this machine, and says so in Origin.
 */
export function chooseProtocol(
  { headers }: IncomingMessage,
  spoken: readonly string[],
): string {
  if (headers.origin !== undefined)
    throw new ApiError(
      403,
      'Forbidden',
      `a page of ${headers.origin} may not open a WebSocket here`,
    )
  const given = headers['sec-websocket-protocol']
  if (given === undefined) return ''
  const wanted = given.split(',').map(word => word.trim())
  const protocol = wanted.find(each => spoken.includes(each))
  if (protocol !== undefined) return protocol
  throw badRequest(
    `unable to upgrade: unable to negotiate protocol: client supports [${wanted.join(' ')}], server accepts [${spoken.join(' ')}]`,
  )
}

/** The WebSockets of one API; the library is loaded with the first one. */
export class WebSockets {
  #server: Promise<WebSocketServer> | undefined

  /** Resolves with an open one; an answer to a handshake that is none has been given. */
  async accept(
    request: IncomingMessage,
    socket: Duplex,
    { head, protocol }: { readonly head: Buffer; readonly protocol: string },
  ): Promise<WebSocket> {
    this.#server ??= startServer()
    const server = await this.#server
    // Not what the client prefers: what was chosen.
    server.options.handleProtocols = () => protocol
    return await new Promise(resolve =>
      server.handleUpgrade(request, socket, head, resolve),
    )
  }

  /** Drops all of them. */
  async close(): Promise<void> {
    const server = await this.#server
    for (const client of server?.clients ?? []) client.terminate()
  }
}

/** The bytes of its messages. */
export async function webSocketStream(webSocket: WebSocket): Promise<Duplex> {
  // What comes before somebody listens would be lost.
  webSocket.pause()
  const { createWebSocketStream } = await import('ws')
  return createWebSocketStream(webSocket)
}

async function startServer(): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws')
  return new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    // Of a unix socket it would only cost time.
    perMessageDeflate: false,
  })
}
