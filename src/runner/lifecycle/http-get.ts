import http, { type ClientRequest } from 'node:http'
import type { RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import type { HTTPGetAction } from '../../api/types.ts'
import { goQuote } from '../../api/go-quote.ts'
import { dialError, joinHostPort } from './dial-error.ts'
import { requestTarget } from './request-target.ts'
import { userAgent } from './user-agent.ts'

/*
 * An httpGet of a probe or a hook (NewRequestForHTTPGetAction, pkg/probe/http/request.go), with what
 * Go's net/http says where it fails.
 */

/** Where it goes, with the default of `host` and the number of `port` filled in. */
export interface HttpGet extends HTTPGetAction {
  readonly host: string
  readonly port: number
}

/** What the kubelet keeps of a body. */
const maxBodyBytes = 10 * 1024

/** A server that sends headers for ever: Node's own limit is 16 KiB, Go's 10 MiB. */
const maxHeaderSize = 256 * 1024

/** More of them in a row are followed nowhere. */
export const maxRedirects = 10

export interface Request {
  /** As messages show it. */
  readonly url: string
  readonly isTls: boolean
  readonly host: string
  readonly port: number
  readonly target: string
}

export interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

export interface NoAnswer {
  readonly error: string
  /** There was one, whose body broke off. */
  readonly isBody: boolean
}

/** What the action itself asks for. */
export function firstRequest({ scheme, host, port, path }: HttpGet): Request {
  const target = requestTarget(path)
  return {
    url: `${scheme.toLowerCase()}://${joinHostPort(host, port)}${target}`,
    isTls: scheme === 'HTTPS',
    host,
    port,
    target,
  }
}

const followed = new Set([301, 302, 303, 307, 308])

/** Where an answer sends on to (net/http, redirectBehavior), or why nowhere; undefined: nothing. */
export function redirected(
  { url }: Request,
  { status, location }: Answer,
): Request | string | undefined {
  if (!followed.has(status) || location === undefined) return undefined
  if (!URL.canParse(location, url))
    return `Get ${goQuote(url)}: failed to parse Location header ${goQuote(location)}`
  const { protocol, hostname, port, pathname, search } = new URL(location, url)
  const isTls = protocol === 'https:'
  if (!isTls && protocol !== 'http:')
    return `Get ${goQuote(location)}: unsupported protocol scheme ${goQuote(protocol.slice(0, -1))}`
  const target = `${pathname}${search}`
  return {
    url: `${protocol}//${hostname}${port && `:${port}`}${target}`,
    isTls,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port) || (isTls ? 443 : 80),
    target,
  }
}

/** Sends one GET. `abort` is the time-out, over all of it. Never rejects. */
export async function httpGet(
  { url, isTls, host, port, target }: Request,
  headers: ReadonlyMap<string, string>,
  abort: AbortSignal,
): Promise<Answer | NoAnswer> {
  const { request: send, agent } = await protocolOf(isTls)
  const failed = (why: string): NoAnswer => ({
    error: `Get ${goQuote(url)}: ${why}`,
    isBody: false,
  })
  return await new Promise(resolve => {
    let hasAnswered = false
    let request: ClientRequest | undefined
    const end = (result: Answer | NoAnswer): void => {
      abort.removeEventListener('abort', tooLate)
      request?.destroy()
      resolve(result)
    }
    const tooLate = (): void =>
      end(
        hasAnswered
          ? brokenBody(
              'context deadline exceeded (Client.Timeout or context cancellation while reading body)',
            )
          : failed(
              'context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
            ),
      )
    const broken = (error: Error): void =>
      end(
        hasAnswered
          ? brokenBody('unexpected EOF')
          : failed(whyFailed(error, host, port)),
      )
    if (abort.aborted) return tooLate()
    abort.addEventListener('abort', tooLate, { once: true })
    try {
      request = send({
        agent,
        host,
        port,
        path: target,
        headers: Object.fromEntries(headers),
        servername: isIP(host) === 0 ? host : '',
        maxHeaderSize,
      })
    } catch (error) {
      // A header that cannot be sent.
      return broken(error as Error)
    }
    request.on('error', broken)
    request.on('response', response => {
      hasAnswered = true
      const chunks: Buffer[] = []
      let length = 0
      const answered = (): void =>
        end({
          status: response.statusCode ?? 0,
          location: response.headers.location,
          body: Buffer.concat(chunks).subarray(0, maxBodyBytes).toString(),
        })
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length >= maxBodyBytes) answered()
      })
      response.once('end', answered)
      response.on('error', broken)
    })
    request.end()
  })
}

interface Protocol {
  readonly request: (options: RequestOptions) => ClientRequest
  readonly agent: http.Agent
}

const plain: Protocol = {
  request: options => http.request(options),
  agent: new http.Agent({ keepAlive: false }),
}

let tls: Promise<Protocol> | undefined

/** No connection is kept, and no certificate is looked at. */
async function protocolOf(isTls: boolean): Promise<Protocol> {
  if (!isTls) return plain
  tls ??= import('node:https').then(({ default: https }) => ({
    request: options => https.request(options),
    agent: new https.Agent({
      keepAlive: false,
      rejectUnauthorized: false,
      maxCachedSessions: 0,
    }),
  }))
  return await tls
}

function brokenBody(error: string): NoAnswer {
  return { error, isBody: true }
}

const notTls = 'http: server gave HTTP response to HTTPS client'

/** A server that was asked by HTTPS speaks HTTP. */
export function isNotTls({ error }: NoAnswer): boolean {
  return error.endsWith(notTls)
}

/** In the words of Go's net/http. */
function whyFailed(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
): string {
  const {
    code = '',
    message,
    reason,
  } = error as typeof error & {
    /** The parser's, or OpenSSL's. */
    readonly reason?: string
  }
  const address = joinHostPort(host, port)
  // What it is called hangs on the version of OpenSSL.
  if (/wrong version number|packet length too long/i.test(message))
    return notTls
  if (code === 'HPE_HEADER_OVERFLOW')
    return `net/http: server response headers exceeded ${maxHeaderSize} bytes; aborted`
  if (code.startsWith('HPE_')) {
    const { rawPacket } = error as { rawPacket?: Buffer }
    const [line = ''] = (rawPacket?.subarray(0, 100).toString() ?? '').split(
      '\n',
    )
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response ${goQuote(line.trimEnd())}`
  }
  if (reason !== undefined) return `tls: ${reason}`
  if (message === 'socket hang up') return 'EOF'
  if (code === 'ECONNRESET' && error.syscall === 'read')
    return `read tcp ${address}: read: connection reset by peer`
  return dialError(host, port, error) ?? message
}

/** Written by the request itself, whatever the manifest says (net/http, reqWriteExcludeHeader). */
const excluded = new Set(['Content-Length', 'Transfer-Encoding', 'Trailer'])

/** With those that a kubelet's requests have. */
export function headersOf(
  { host, port, httpHeaders = [] }: HttpGet,
  what: 'probe' | 'lifecycle',
): Map<string, string> {
  const headers = new Map<string, string>()
  for (const { name = '', value = '' } of httpHeaders) {
    const key = canonical(name)
    const before = headers.get(key)
    if (!excluded.has(key))
      headers.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  const defaults = [
    ['User-Agent', userAgent(what)],
    ['Accept', '*/*'],
    ['Host', joinHostPort(host, port)],
  ] as const
  for (const [key, value] of defaults)
    if (!headers.has(key)) headers.set(key, value)
  // Empty ones are not sent (newProbeRequest).
  for (const key of ['User-Agent', 'Accept', 'Host'])
    if (headers.get(key) === '') headers.delete(key)
  return headers
}

/** `user-agent` as Go's textproto writes it: `User-Agent`. */
function canonical(name: string): string {
  return name
    .toLowerCase()
    .replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
}
