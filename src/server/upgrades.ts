/**
 * What comes with `Upgrade`: WebSockets, and of kubectl before 1.31 SPDY, for what goes into a
 * container and comes out of it (exec, attach, portforward), and for logs.
 */
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { JsonObject } from '../api/json.ts'
import {
  portForwardProtocol,
  serveForwarding,
} from '../streams/forwarded-ports.ts'
import {
  serveForwardStreams,
  tunnelledForwardProtocol,
} from '../streams/forwarded-streams.ts'
import { webSocketWire } from '../streams/web-socket-wire.ts'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import { sendJson } from './answers.ts'
import { badRequest } from './api-error.ts'
import type { KnownObjects } from './known-objects.ts'
import { openPodLog } from './open-pod-log.ts'
import { serveLog } from './pod-log.ts'
import {
  connectStreams,
  isStreamed,
  openerOf,
  streamProtocols,
  streamsRequest,
} from './pod-streams.ts'
import { dialerOf, forwardedPorts } from './port-forward.ts'
import { Query } from './query.ts'
import { requestInfo, requestUrl, type RequestInfo } from './request-info.ts'
import { resourceOf } from './requested.ts'
import type { SessionRecord } from './session-record.ts'
import {
  acceptSpdy,
  asksForSpdy,
  checkForwardProtocol,
} from './spdy-upgrade.ts'
import {
  asksForWebSocket,
  chooseProtocol,
  WebSockets,
  webSocketStream,
} from './web-sockets.ts'

export interface UpgradesOptions {
  readonly known: KnownObjects
  readonly record: SessionRecord
  readonly clock: Clock
  /** As any other request. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** What is answered to one that fails. */
  failureOf(error: unknown): { code: number; status: JsonObject }
}

/** What a path has for a WebSocket. */
interface FoundStreams {
  /** The first of the client's that is among them is spoken. */
  readonly protocols: readonly string[]
  /** Throws an ApiError for what such a one has to be told and is not. */
  serve(protocol: string): (webSocket: WebSocket) => Promise<void>
}

export class Upgrades {
  readonly #options: UpgradesOptions
  readonly #webSockets = new WebSockets()
  /** Connections on which SPDY is spoken. */
  readonly #spoken = new Set<Duplex>()

  constructor(options: UpgradesOptions) {
    this.#options = options
  }

  /** Ends them all. */
  async close(): Promise<void> {
    await this.#webSockets.close()
    for (const socket of this.#spoken) socket.destroy()
  }

  /** What comes with `Upgrade`; one that is no WebSocket's (h2c) is a request as any other. */
  async serve(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    // Whoever goes while he is answered is not missed.
    socket.on('error', () => undefined)
    const refuse = (answer: (response: ServerResponse) => unknown): void => {
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      response.assignSocket(socket as Socket)
      response.once('finish', () => socket.end())
      answer(response)
    }
    let serve: (() => Promise<void>) | undefined
    try {
      serve = asksForWebSocket(request)
        ? await this.#webSocketOf(request, socket, head)
        : this.#spdyOf(request, socket, head)
    } catch (error) {
      const { code, status } = this.#options.failureOf(error)
      return refuse(response => sendJson(response, code, status))
    }
    if (serve === undefined)
      return refuse(response =>
        inBackground(this.#options.answer(request, response)),
      )
    await serve()
  }

  /** Throws an ApiError. */
  async #webSocketOf(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<() => Promise<void>> {
    const { pathname, searchParams } = requestUrl(request)
    const info = requestInfo(pathname)
    const query = new Query(searchParams)
    const streams = info && (await this.#webSocketAt(info, query))
    if (streams === undefined)
      throw badRequest('there is no WebSocket at this path')
    const protocol = chooseProtocol(request, streams.protocols)
    const serve = streams.serve(protocol)
    return async () =>
      await serve(
        await this.#webSockets.accept(request, socket, { head, protocol }),
      )
  }

  /** A forwarding of ports as kubectl asks for it before 1.31. Throws an ApiError. */
  #spdyOf(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): (() => Promise<void>) | undefined {
    const info = requestInfo(requestUrl(request).pathname)
    const isForward =
      info?.subresource === 'portforward' && resourceOf(info).kind === 'Pod'
    if (!isForward || !asksForSpdy(request)) return undefined
    const { namespace = '', name = '' } = info
    const dial = dialerOf(() => this.#options.known.livePod(namespace, name))
    const { clock } = this.#options
    checkForwardProtocol(request)
    return async () => {
      this.#spoken.add(socket)
      acceptSpdy(socket, head)
      try {
        await serveForwardStreams(socket, { dial, clock })
      } finally {
        this.#spoken.delete(socket)
      }
    }
  }

  /** What is served as a WebSocket at this path, and maybe in another way, too. */
  async #webSocketAt(
    info: RequestInfo,
    query: Query,
  ): Promise<FoundStreams | undefined> {
    const { namespace = '', name = '', subresource } = info
    if (subresource !== 'log' || resourceOf(info).kind !== 'Pod')
      return this.streamsAt(info, query)
    const live = this.#options.known.livePod(namespace, name)
    const { log, options } = await openPodLog(live, query, this.#options)
    return {
      protocols: ['binary.k8s.io'],
      serve: () => async webSocket => {
        const stream = await webSocketStream(webSocket)
        // Nobody has anything to say there, but whoever goes is noticed.
        stream.on('error', () => undefined).resume()
        await serveLog(stream, log, options)
      },
    }
  }

  /** What is served as a WebSocket at this path. Throws an ApiError. */
  streamsAt(info: RequestInfo, query: Query): FoundStreams | undefined {
    const { namespace = '', name = '', subresource } = info
    if (!isStreamed(subresource)) return undefined
    if (resourceOf(info).kind !== 'Pod') return undefined
    const { clock } = this.#options
    if (subresource === 'portforward') {
      const dial = dialerOf(() => this.#options.known.livePod(namespace, name))
      return {
        protocols: [tunnelledForwardProtocol, portForwardProtocol],
        serve: protocol => {
          if (protocol === tunnelledForwardProtocol)
            return async webSocket =>
              await serveForwardStreams(await webSocketStream(webSocket), {
                dial,
                clock,
              })
          const ports = forwardedPorts(query)
          return webSocket =>
            serveForwarding(webSocketWire(webSocket), ports, dial)
        },
      }
    }
    const live = this.#options.known.livePod(namespace, name)
    const request = streamsRequest(live.pod, subresource, query)
    const open = openerOf(live)
    return {
      protocols: streamProtocols,
      serve: protocol => webSocket =>
        connectStreams(webSocketWire(webSocket), open, {
          request,
          protocol,
          clock,
        }),
    }
  }
}
