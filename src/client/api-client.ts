/**
 * The client's end of the sessions' API: finds the podfs that run, and asks them. Requests go
 * over the unix socket in each session's run-time directory (session-server.ts).
 */
import { items, part, text, type Json, type JsonObject } from '../api/json.ts'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import path from 'node:path'
import type { WebSocket } from 'ws'
import {
  metricsGroup,
  metricsVersion,
  resources,
  type Resource,
} from '../server/resources.ts'
import { streamsOver } from '../streams/channels.ts'
import type {
  ContainerStreams,
  StreamsRequest,
} from '../streams/container-streams.ts'
import { webSocketWire } from '../streams/web-socket-wire.ts'
import type { Clock } from '../util/clock.ts'
import { Failure } from '../util/failure.ts'
import { isWithin } from '../linux/is-within.ts'
import { readMountinfo } from '../linux/mountinfo.ts'
import { isRunning } from '../linux/process-identity.ts'
import { placesOf } from '../session/places.ts'
import { type FoundSession, listSessions } from '../session/session-file.ts'
import { apiSocketName } from '../session/session-server.ts'
import { hasCode } from '../util/error-code.ts'

export type { Resource } from '../server/resources.ts'

/** A session that has begun has its socket by then, or never. */
const socketMs = 10_000
const socketStepMs = 20

/** What the API answered instead of an object: a Status of Kubernetes. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure'
  readonly reason: string
  /** The messages of its `details.causes`. */
  readonly causes: readonly string[]
  constructor(status: JsonObject) {
    super(text(status['message']))
    this.reason = text(status['reason'])
    this.causes = items(part(status, 'details'), 'causes').map(({ message }) =>
      text(message),
    )
  }
}

interface Change {
  readonly method: 'POST' | 'PATCH' | 'DELETE'
  readonly contentType?: string
  readonly body: Json
}

/** The podfs has ended since it was found, or will not answer. */
export class SessionGone extends Failure {
  constructor(id: string, options?: ErrorOptions) {
    super('failed', `podfs ${id} does not answer`, options)
  }
}

/** What a podfs that is starting, or has just ended, gives instead of an answer. */
const unanswered = [
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  // It was connected, and not yet accepted.
  'EPIPE',
] as const

/** One running podfs. */
export class ApiClient {
  /** Such as `run-4711`. */
  readonly id: string
  readonly session: FoundSession
  readonly #clock: Clock

  constructor(session: FoundSession, clock: Clock) {
    this.id = path.basename(session.directory)
    this.session = session
    this.#clock = clock
  }

  /** Throws an ApiFailure for a Status, a Failure when the podfs does not answer. */
  async get(
    url: string,
    options: { readonly asTable?: boolean } = {},
  ): Promise<JsonObject> {
    return await this.#answer(url, options)
  }

  /** As `get`, of a change. */
  async post(url: string, body: JsonObject): Promise<JsonObject> {
    return await this.#answer(url, { change: { method: 'POST', body } })
  }

  async delete(url: string, body: JsonObject): Promise<JsonObject> {
    return await this.#answer(url, { change: { method: 'DELETE', body } })
  }

  /** `type`: json, merge or strategic-merge. */
  async patch(url: string, body: Json, type: string): Promise<JsonObject> {
    const contentType = `application/${type}-patch+json`
    return await this.#answer(url, {
      change: { method: 'PATCH', body, contentType },
    })
  }

  /** The events of a watch, until the podfs ends or `signal` aborts. */
  async *watch(
    url: string,
    options: { readonly asTable?: boolean; readonly signal: AbortSignal },
  ): AsyncGenerator<{ readonly type: string; readonly object: JsonObject }> {
    let rest = ''
    for await (const chunk of this.stream(url, options)) {
      const lines = (rest + chunk.toString('utf8')).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines)
        yield JSON.parse(line) as { type: string; object: JsonObject }
    }
  }

  /** The bytes of an answer as they come. */
  async *stream(
    url: string,
    options: { readonly asTable?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Buffer> {
    const response = await this.#request(url, options)
    const end = (): void => {
      response.destroy()
    }
    options.signal?.addEventListener('abort', end)
    try {
      for await (const chunk of response) yield chunk as Buffer
    } catch (error) {
      // One of the two ends is gone: a stream that ends.
      if (!hasCode(error, 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'))
        throw error
    } finally {
      options.signal?.removeEventListener('abort', end)
    }
  }

  /** Streams of a container. Throws an ApiFailure for a Status. */
  async streams(
    url: string,
    wanted: Pick<StreamsRequest, 'stdin' | 'stdout' | 'stderr'>,
  ): Promise<ContainerStreams> {
    const webSocket = await this.webSocket(url, 'v5.channel.k8s.io')
    return streamsOver(webSocketWire(webSocket), wanted)
  }

  /** An open WebSocket, paused. Throws an ApiFailure for a Status. */
  async webSocket(url: string, protocol: string): Promise<WebSocket> {
    const { WebSocket } = await import('ws')
    const socketPath = path.join(this.session.directory, apiSocketName)
    return await new Promise((resolve, reject) => {
      const webSocket = new WebSocket(`ws://podfs${url}`, protocol, {
        createConnection: () => connect(socketPath),
        perMessageDeflate: false,
      })
      webSocket.on('open', () => {
        webSocket.pause()
        resolve(webSocket)
      })
      webSocket.on('error', cause =>
        reject(new SessionGone(this.id, { cause })),
      )
      webSocket.on('unexpected-response', (_, response) => {
        textOf(response).then(
          text => reject(new ApiFailure(statusOf(text))),
          reject,
        )
      })
    })
  }

  async #answer(
    url: string,
    options: { readonly asTable?: boolean; readonly change?: Change },
  ): Promise<JsonObject> {
    const response = await this.#request(url, options)
    const text = await textOf(response).catch((cause: unknown) => {
      throw new SessionGone(this.id, { cause })
    })
    return JSON.parse(text) as JsonObject
  }

  async #request(
    url: string,
    options: { readonly asTable?: boolean; readonly change?: Change },
  ): Promise<IncomingMessage> {
    const { asTable, change } = options
    const accept = asTable
      ? 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
      : 'application/json'
    for (let waited = 0; ; waited += socketStepMs) {
      try {
        const response = await this.#attempt(url, accept, change)
        const { statusCode } = response
        if (statusCode === 200 || statusCode === 201) return response
        throw new ApiFailure(statusOf(await textOf(response)))
      } catch (error) {
        if (!hasCode(error, ...unanswered)) throw error
        // It comes up after everything else, moments after the start.
        if (waited >= socketMs || !isRunning(this.session))
          throw new SessionGone(this.id, { cause: error })
        await this.#clock.sleep(socketStepMs)
      }
    }
  }

  #attempt(
    url: string,
    accept: string,
    change: Change | undefined,
  ): Promise<IncomingMessage> {
    const { method = 'GET', contentType, body } = change ?? {}
    const sent = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      request({
        socketPath: path.join(this.session.directory, apiSocketName),
        path: url,
        method,
        headers: {
          accept,
          ...(contentType !== undefined && { 'content-type': contentType }),
          // Node frames what is sent with a DELETE in no other way.
          ...(sent !== undefined && {
            'content-length': Buffer.byteLength(sent),
          }),
        },
        agent: false,
      })
        .on('response', resolve)
        .on('error', reject)
        .end(sent)
    })
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return text
}

function statusOf(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    return { message: text.trim() }
  }
}

/**
 * The podfs to look into: all that run, or the one that is named by its id, its pid or its
 * mount point. Throws a Failure when there is none.
 */
export async function findSessions(options: {
  readonly runtime: string
  readonly named: string | undefined
  /** Of `named`, should it be a path. */
  readonly mountpoint: string | undefined
  readonly clock: Clock
}): Promise<readonly ApiClient[]> {
  const { named, mountpoint } = options
  const running = listSessions(options.runtime)
    .filter(session => session.running)
    .sort((a, b) => (a.directory < b.directory ? -1 : 1))
  const wanted =
    named === undefined
      ? running
      : running.filter(
          session =>
            path.basename(session.directory) === named ||
            [String(session.pid), idNow(session)].includes(named) ||
            session.mountpoint === mountpoint,
        )
  if (wanted.length > 0)
    return wanted.map(session => new ApiClient(session, options.clock))
  const ofRoot = rootsSessions()
  if (named !== undefined && ofRoot.includes(named))
    throw new Failure('failed', `podfs ${named} is root's`, { fix: asRoot })
  if (running.length === 0) throw noneRuns(ofRoot)
  throw new Failure('usage', `no podfs ${named} is running`, {
    fix: `there ${running.length === 1 ? 'is' : 'are'}: ${running.map(describeSession).join(', ')}`,
  })
}

function noneRuns(ofRoot: readonly string[]): Failure {
  if (ofRoot.length > 0)
    return new Failure(
      'failed',
      `no podfs of yours is running, but root's: ${ofRoot.join(', ')}`,
      { fix: asRoot },
    )
  return new Failure('failed', 'no podfs is running', {
    fix: 'podfs run -f PATH, podfs mount, or podfs serve',
  })
}

const asRoot = 'sudo podfs get pods'

/** The ids of root's, for somebody else: the mount table is all that others see of them. */
function rootsSessions(): readonly string[] {
  if (process.getuid?.() === 0) return []
  const { runtime } = placesOf({}, 0)
  const ids = readMountinfo()
    .filter(({ mountpoint }) => isWithin(mountpoint, runtime))
    .map(({ mountpoint }) => path.relative(runtime, mountpoint).split('/')[0])
    .filter(id => id !== undefined && /^[a-z]+-\d+$/.test(id))
  return [...new Set(ids as string[])].sort()
}

/** An adopted session has the directory, and so the id, of the podfs that made it. */
function idNow({ command, pid }: FoundSession): string {
  return `${command}-${pid}`
}

function describeSession(session: FoundSession): string {
  const { directory, mountpoint, pods = {} } = session
  const id = path.basename(directory)
  const what = [
    ...(id === idNow(session) ? [] : [`pid ${session.pid}`]),
    ...(mountpoint === undefined ? Object.keys(pods) : [mountpoint]),
  ].join(', ')
  return what === '' ? id : `${id} (${what})`
}

/** What each podfs answers; one that ends meanwhile has nothing, unless it is the only one. */
export async function askAll<T>(
  clients: readonly ApiClient[],
  ask: (client: ApiClient) => Promise<T>,
): Promise<readonly { readonly client: ApiClient; readonly answer: T }[]> {
  const answers = await Promise.all(
    clients.map(async client => {
      try {
        return { client, answer: await ask(client) }
      } catch (error) {
        if (error instanceof SessionGone && clients.length > 1) return undefined
        throw error
      }
    }),
  )
  return answers.filter(each => each !== undefined)
}

/** By `pods`, `pod`, `po`, `volumes.podfs.io`, `deployments.v1.apps`, ... */
export function findResource(word: string): Resource | undefined {
  const wanted = word.toLowerCase()
  return resources.find(({ plural, singular, shortNames, group, version }) => {
    const names = [plural, singular, ...shortNames]
    return (
      names.includes(wanted) ||
      (group !== '' &&
        names.some(name =>
          [`${name}.${group}`, `${name}.${version}.${group}`].includes(wanted),
        ))
    )
  })
}

/** Those of a category, such as `all`. */
export function resourcesIn(category: string): readonly Resource[] {
  return resources.filter(({ categories }) => categories.includes(category))
}

export function resourceWords(): readonly string[] {
  return resources.map(({ plural }) => plural)
}

/** The path of what Pods use (pod-metrics.ts). */
export function podMetricsUrl(options: {
  /** Absent: all namespaces. */
  readonly namespace: string | undefined
  readonly labelSelector: string | undefined
}): string {
  const { namespace, labelSelector } = options
  const metrics = {
    group: metricsGroup,
    version: metricsVersion,
    plural: 'pods',
    namespaced: true,
  }
  return urlOf(metrics, { namespace, query: { labelSelector } })
}

/** The path of what this machine uses (pod-metrics.ts). */
export function nodeMetricsUrl(
  name: string | undefined,
  labelSelector: string | undefined,
): string {
  const metrics = {
    group: metricsGroup,
    version: metricsVersion,
    plural: 'nodes',
    namespaced: false,
  }
  return urlOf(metrics, { name, query: { labelSelector } })
}

/** The path of a list, or with a name of one object. */
export function urlOf(
  {
    group,
    version,
    plural,
    namespaced,
  }: Readonly<Record<'group' | 'version' | 'plural', string>> &
    Pick<Resource, 'namespaced'>,
  options: {
    /** Absent: all namespaces. */
    readonly namespace?: string | undefined
    readonly name?: string | undefined
    readonly subresource?: string
    /** Of a parameter that is there several times, all values. */
    readonly query?: Readonly<
      Record<string, string | readonly string[] | undefined>
    >
  },
): string {
  const { namespace, name, subresource } = options
  const parts = [
    group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
    ...(namespaced && namespace !== undefined
      ? ['namespaces', encodeURIComponent(namespace)]
      : []),
    plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ]
  const query = new URLSearchParams()
  for (const [key, value = ''] of Object.entries(options.query ?? {}))
    if (typeof value !== 'string')
      for (const each of value) query.append(key, each)
    else if (value !== '') query.set(key, value)
  return query.size === 0
    ? parts.join('/')
    : `${parts.join('/')}?${query.toString()}`
}
