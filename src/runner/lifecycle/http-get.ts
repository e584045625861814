import { connect, isIP, type Socket } from 'node:net'
import type { HTTPGetAction } from '../../api/types.ts'
import { goQuote } from '../../api/go-quote.ts'
import { dialError, joinHostPort } from './dial-error.ts'
import {
  AnswerReader,
  brokenBody,
  type Answer,
  type NoAnswer,
} from './http-answer.ts'
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

/**
 * Sends one GET, on a connection of its own. `abort` is the time-out, over all of it. Never
 * rejects.
 */
export async function httpGet(
  request: Request,
  headers: ReadonlyMap<string, string>,
  abort: AbortSignal,
): Promise<Answer | NoAnswer> {
  const { url, isTls, host, port } = request
  const told = (result: Answer | NoAnswer): Answer | NoAnswer =>
    'error' in result && !result.isBody
      ? { ...result, error: `Get ${goQuote(url)}: ${result.error}` }
      : result
  const refusal = whyRefused(headers)
  if (refusal !== undefined) return told({ error: refusal, isBody: false })
  const open = isTls ? await tlsConnect() : connect
  const reader = new AnswerReader()
  const late = (): NoAnswer => ({
    error: `context deadline exceeded (${
      reader.hasBegun
        ? 'Client.Timeout or context cancellation while reading body'
        : 'Client.Timeout exceeded while awaiting headers'
    })`,
    isBody: reader.hasBegun,
  })
  if (abort.aborted) return told(late())
  return await new Promise(resolve => {
    const socket = open({ host, port })
    const end = (result: Answer | NoAnswer): void => {
      abort.removeEventListener('abort', tooLate)
      socket.destroy()
      resolve(told(result))
    }
    const tooLate = (): void => end(late())
    abort.addEventListener('abort', tooLate, { once: true })
    socket.on('data', (chunk: Buffer) => {
      const result = reader.add(chunk)
      if (result !== undefined) end(result)
    })
    socket.once('end', () => end(reader.end()))
    socket.on('error', error =>
      end(
        reader.hasBegun
          ? brokenBody
          : { error: whyFailed(error, host, port), isBody: false },
      ),
    )
    socket.write(requestText(request, headers))
  })
}

type Connect = (to: { readonly host: string; readonly port: number }) => Socket

let tls: Promise<Connect> | undefined

/** No certificate is looked at. */
async function tlsConnect(): Promise<Connect> {
  tls ??= import('node:tls').then(
    tls =>
      ({ host, port }) =>
        tls.connect({
          host,
          port,
          servername: isIP(host) === 0 ? host : '',
          ALPNProtocols: ['http/1.1'],
          rejectUnauthorized: false,
        }),
  )
  return await tls
}

/** Why these headers cannot be sent (httpguts.ValidHeaderFieldName, ValidHeaderFieldValue). */
function whyRefused(headers: ReadonlyMap<string, string>): string | undefined {
  for (const [name, value] of headers) {
    if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(name))
      return `Header name must be a valid HTTP token [${JSON.stringify(name)}]`
    // oxlint-disable-next-line no-control-regex -- they end a header, or mean nothing
    if (/[\0-\x08\n-\x1f\x7f]/.test(value))
      return `Invalid character in header content [${JSON.stringify(name)}]`
  }
  return undefined
}

function requestText(
  { url, target }: Request,
  headers: ReadonlyMap<string, string>,
): string {
  const authority = url.slice(url.indexOf('//') + 2, -target.length)
  const all = [...headers]
  if (!headers.has('Host')) all.push(['Host', authority])
  if (!headers.has('Connection')) all.push(['Connection', 'close'])
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`
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
    /** OpenSSL's. */
    readonly reason?: string
  }
  const address = joinHostPort(host, port)
  // What it is called hangs on the version of OpenSSL.
  if (/wrong version number|packet length too long/i.test(message))
    return notTls
  if (reason !== undefined) return `tls: ${reason}`
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
