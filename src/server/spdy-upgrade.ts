import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { forwardStreamsProtocol } from '../streams/forwarded-streams.ts'
import { ApiError, badRequest } from './api-error.ts'

const spdy = 'SPDY/3.1'
const protocolHeader = 'X-Stream-Protocol-Version'

export function asksForSpdy({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === spdy.toLowerCase()
}

/**
 * Throws an ApiError for a client that wants another protocol than that of forwarded ports
 * (apimachinery, pkg/util/httpstream, Handshake).
 */
export function checkForwardProtocol({ headers }: IncomingMessage): void {
  const given = headers[protocolHeader.toLowerCase()]
  if (given === undefined)
    throw badRequest(`unable to upgrade: ${protocolHeader} is required`)
  const wanted = String(given)
    .split(',')
    .map(word => word.trim())
  if (!wanted.includes(forwardStreamsProtocol))
    throw new ApiError(
      403,
      'Forbidden',
      `unable to upgrade: unable to negotiate protocol: client supports [${wanted.join(' ')}], server accepts [${forwardStreamsProtocol}]`,
    )
}

/** From here on SPDY is spoken; `head` has come already. */
export function acceptSpdy(socket: Duplex, head: Buffer): void {
  socket.unshift(head)
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      `Upgrade: ${spdy}`,
      `${protocolHeader}: ${forwardStreamsProtocol}`,
      '\r\n',
    ].join('\r\n'),
  )
}
