/**
 * The Kubernetes API of one podfs, on a unix socket: list, get and watch of what there is.
 *
 * Node's own http and one grammar of paths (request-info.ts) are all it needs: a Kubernetes
 * path names its resource, so there is nothing that a table of routes would add, and fastify
 * would cost 150 ms and 10 MiB in every podfs that somebody might look into. What can be
 * changed is of the Pods that run (pod-changes.ts) and of the volumes (volume-subresources.ts),
 * what can be created is in creation.ts.
 *
 * Who may connect: whoever may enter the directory (0700) and open the socket (0600). There
 * is no other fence, and Secrets are among what is served.
 */
import { randomBytes } from 'node:crypto'
import { chmod, rm } from 'node:fs/promises'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { JsonObject } from '../api/json.ts'
import { objectKey } from '../api/object-key.ts'
import type { ObjectKind, Pod } from '../api/types.ts'
import type { Store } from '../store/store.ts'
import type { TokenIssuer } from '../tokens/token-issuer.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import {
  ApiError,
  badRequest,
  methodNotAllowed,
  noSuchResource,
  notFound,
  quote,
  tooLarge,
} from './api-error.ts'
import {
  type IncludeObject,
  sendJson,
  sendText,
  wantedFormat,
} from './answers.ts'
import {
  keySetPath,
  openIdConfiguration,
  openIdConfigurationPath,
} from './authentication.ts'
import { Failure } from '../util/failure.ts'
import { Collections } from './collections.ts'
import { creationAt } from './creation.ts'
import { discovery, versionInfo } from './discovery.ts'
import type { NodeFacts } from './encode-node.ts'
import { volumeName, volumeOfName } from './encode-volume.ts'
import { KnownObjects } from './known-objects.ts'
import { changePods } from './pod-changes.ts'
import type { PodControl } from './pod-control.ts'
import { openPodLog } from './open-pod-log.ts'
import { serveLog } from './pod-log.ts'
import { nodeMetrics, podMetrics } from './pod-metrics.ts'
import { Query } from './query.ts'
import { requestInfo, requestUrl, type RequestInfo } from './request-info.ts'
import { resourceOf, wanted } from './requested.ts'
import {
  metricsGroup,
  metricsVersion,
  resources,
  type Resource,
} from './resources.ts'
import { changeScale, scaleOf, type ScaledWorkload } from './scale.ts'
import type { ScaleControl } from './scale.ts'
import type { SessionRecord, VolumeRecord } from './session-record.ts'
import { tableOf } from './tables/table.ts'
import { generationTable } from './tables/objects.ts'
import { Upgrades } from './upgrades.ts'
import { changeVolume, generationsOf } from './volume-subresources.ts'
import { serveWatch } from './watch-stream.ts'
import { inBackground } from '../util/in-background.ts'

export interface ApiServerOptions {
  readonly store: Store
  readonly record: SessionRecord
  readonly node: NodeFacts
  /** Whether a Pod that does not run yet is going to. */
  readonly isToRun?: ((pod: Pod) => boolean) | undefined
  /** The Pods that run, to be changed by hand; absent: none runs here. */
  readonly control?: PodControl | undefined
  /** How many Pods workloads have; absent: as many as their files say are shown. */
  readonly scaling?: ScaleControl | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** Loaded, or its key made, when somebody asks for tokens. */
  readonly issuer: () => Promise<TokenIssuer>
  /** Prometheus text, made when somebody asks. */
  readonly metrics: () => Promise<string>
  /**
   * What POST /-/reload (as Prometheus has it) does and answers, where there is something to
   * read again. Throws a Failure, whose message is the answer then.
   */
  readonly reload?: (() => Promise<JsonObject>) | undefined
}

export class ApiServer {
  readonly #options: ApiServerOptions
  readonly #collections: Collections
  readonly #known: KnownObjects
  readonly #server: Server
  readonly #upgrades: Upgrades
  /** Of the hashes that stand for confidential values; it never leaves this process. */
  readonly #key = randomBytes(32)

  constructor(options: ApiServerOptions) {
    this.#options = options
    this.#collections = new Collections({
      ...options,
      now: options.clock.now(),
    })
    this.#known = new KnownObjects(options.store, options.record)
    this.#server = createServer((request, response) => {
      inBackground(this.#answer(request, response))
    })
    // A watch may be silent for longer than any of these.
    this.#server.requestTimeout = 0
    this.#upgrades = new Upgrades({
      ...options,
      known: this.#known,
      answer: (request, response) => this.#answer(request, response),
      failureOf: error => this.#failureOf(error),
    })
    this.#server.on('upgrade', (request, socket, head) => {
      inBackground(this.#upgrades.serve(request, socket, head))
    })
    this.#server.timeout = 0
  }

  /** Resolves when clients can connect. */
  async listen(socket: string): Promise<void> {
    await rm(socket, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(socket, resolve)
    })
    await chmod(socket, 0o600)
    // It must not keep a podfs alive that has nothing else to do.
    this.#server.unref()
  }

  /** Ends watches and logs, too. */
  async close(): Promise<void> {
    this.#collections.close()
    const closed = new Promise<void>(resolve =>
      this.#server.close(() => resolve()),
    )
    this.#server.closeAllConnections()
    // Node does not count these among them any more.
    await this.#upgrades.close()
    await closed
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      await this.#route(request, response)
    } catch (error) {
      const { code, status } = this.#failureOf(error)
      if (response.headersSent) response.destroy()
      else sendJson(response, code, status)
    }
  }

  #failureOf(error: unknown): { code: number; status: JsonObject } {
    const failure = asApiError(error)
    if (failure.code === 500)
      this.#options.logger.error({ err: error }, 'request failed')
    return { code: failure.code, status: failure.status() }
  }

  async #route(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { pathname, searchParams } = requestUrl(request)
    const path = pathname === '/' ? '/' : pathname.replace(/\/+$/, '')
    const info = requestInfo(path)
    const create =
      info &&
      creationAt(info, {
        ...this.#options,
        known: this.#known,
        node: this.#options.node.node,
      })
    if (create !== undefined) {
      if (request.method !== 'POST') throw methodNotAllowed()
      return sendJson(response, 201, await create(request))
    }
    const { reload } = this.#options
    if (path === '/-/reload' && request.method === 'POST' && reload)
      return sendJson(response, 200, await reload())
    if (
      info !== undefined &&
      this.#upgrades.streamsAt(info, new Query(searchParams))
    )
      throw badRequest(
        'this is served as a WebSocket, and as nothing else: kubectl of 1.31 or newer asks for one',
      )
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isRead && info !== undefined) {
      const query = new Query(searchParams)
      const { code, body } = await this.#change(info, query, request)
      return sendJson(response, code, body)
    }
    if (!isRead) throw methodNotAllowed()
    if (info !== undefined)
      return await this.#serveResource(
        info,
        new Query(searchParams),
        request,
        response,
      )
    switch (path) {
      case '/healthz':
      case '/livez':
        return sendText(response, 200, 'ok')
      case '/readyz': {
        const reasons = notReady(this.#options.record)
        return reasons === ''
          ? sendText(response, 200, 'ok')
          : sendText(response, 500, `${reasons}readyz check failed\n`)
      }
      case '/version':
        return sendJson(response, 200, versionInfo(this.#options.node.version))
      case '/metrics':
        return sendText(
          response,
          200,
          await this.#options.metrics(),
          'text/plain; version=0.0.4; charset=utf-8',
        )
      case openIdConfigurationPath: {
        const { issuer } = await this.#options.issuer()
        return sendJson(response, 200, openIdConfiguration(issuer))
      }
      case keySetPath: {
        const { keys } = (await this.#options.issuer()).keySet()
        return sendJson(response, 200, { keys }, 'application/jwk-set+json')
      }
    }
    const found = discovery(path)
    if (found !== undefined) return sendJson(response, 200, found)
    sendText(response, 404, '404 page not found\n')
  }

  async #serveResource(
    info: RequestInfo,
    query: Query,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (info.group === metricsGroup && info.version === metricsVersion)
      return await (info.resource === 'nodes'
        ? this.#serveNodeMetrics(info, query, response)
        : this.#servePodMetrics(info, query, response))
    const resource = resourceOf(info)
    const cache = resource.cache(this.#collections)
    if (info.name !== undefined) {
      if (resource.namespaced && info.namespace === undefined)
        throw noSuchResource()
      const object = cache.get(info.namespace ?? '', info.name)
      if (object === undefined) throw notFound(resource, info.name)
      if (info.subresource === 'log' && resource.kind === 'Pod') {
        const live = this.#known.livePod(info.namespace ?? '', info.name)
        const { log, options } = await openPodLog(live, query, this.#options)
        response.writeHead(200, { 'content-type': 'text/plain' })
        response.flushHeaders()
        return await serveLog(response, log, options)
      }
      const scaled = this.#scaledWorkload(info)
      if (scaled !== undefined) return sendJson(response, 200, scaleOf(scaled))
      const format = wantedFormat(request, query)
      const isItself =
        info.subresource === undefined ||
        (['status', 'ephemeralcontainers'].includes(info.subresource) &&
          resource.kind === 'Pod')
      if (!isItself) return this.#serveGenerations(info, format, response)
      const json = object.json()
      return sendJson(
        response,
        200,
        format === undefined
          ? json
          : this.#table(
              resource,
              [json],
              format,
              String(object.resourceVersion),
            ),
      )
    }
    const wants = wanted(resource, info, query)
    const format = wantedFormat(request, query)
    const { group, version, kind } = resource
    const apiVersion = group === '' ? version : `${group}/${version}`
    if (query.flag('watch'))
      return serveWatch(response, {
        cache,
        query,
        clock: this.#options.clock,
        apiVersion,
        kind,
        wants,
        show: (object, isFirst) =>
          format === undefined
            ? object
            : this.#table(resource, [object], format, undefined, isFirst),
      })
    const oldest = query.resourceVersion ?? 0
    if (oldest > cache.resourceVersion)
      throw tooLarge(oldest, cache.resourceVersion)
    const objects = cache
      .list(info.namespace)
      .filter(wants)
      .map(object => object.json())
    const resourceVersion = String(cache.resourceVersion)
    sendJson(
      response,
      200,
      format === undefined
        ? {
            kind: `${kind}List`,
            apiVersion,
            metadata: { resourceVersion },
            items: objects,
          }
        : this.#table(resource, objects, format, resourceVersion),
    )
  }

  async #servePodMetrics(
    info: RequestInfo,
    query: Query,
    response: ServerResponse,
  ): Promise<void> {
    const { resource, name, namespace, subresource } = info
    const pods = resources.find(({ kind }) => kind === 'Pod')
    if (
      pods === undefined ||
      resource !== 'pods' ||
      subresource !== undefined ||
      (name !== undefined && namespace === undefined)
    )
      throw noSuchResource()
    const wants = wanted(pods, info, query)
    const items = await podMetrics(
      this.#collections.pods
        .list(namespace)
        .filter(pod => wants(pod) && (name === undefined || pod.name === name)),
      this.#options.record,
      this.#options.clock,
    )
    const [only] = items
    if (name === undefined)
      return sendJson(response, 200, {
        kind: 'PodMetricsList',
        apiVersion: `${metricsGroup}/${metricsVersion}`,
        metadata: {},
        items,
      })
    if (only === undefined)
      throw notFound({ plural: 'podmetrics', group: metricsGroup }, name)
    sendJson(response, 200, only)
  }

  async #serveNodeMetrics(
    info: RequestInfo,
    query: Query,
    response: ServerResponse,
  ): Promise<void> {
    const { name, namespace, subresource } = info
    const nodes = resources.find(({ kind }) => kind === 'Node')
    if (
      nodes === undefined ||
      namespace !== undefined ||
      subresource !== undefined
    )
      throw noSuchResource()
    const wants = wanted(nodes, info, query)
    const items = await Promise.all(
      this.#collections.nodes
        .list()
        .filter(
          node => wants(node) && (name === undefined || node.name === name),
        )
        .map(node => nodeMetrics(node, this.#options.clock)),
    )
    const [only] = items
    if (name === undefined)
      return sendJson(response, 200, {
        kind: 'NodeMetricsList',
        apiVersion: `${metricsGroup}/${metricsVersion}`,
        metadata: {},
        items,
      })
    if (only === undefined)
      throw notFound({ plural: 'nodemetrics', group: metricsGroup }, name)
    sendJson(response, 200, only)
  }

  /** Of a volume; other objects have no such subresources. */
  #serveGenerations(
    info: RequestInfo,
    format: IncludeObject | undefined,
    response: ServerResponse,
  ): void {
    const volume = this.#volume(info)
    const { subresource = '' } = info
    if (volume === undefined) throw noSuchResource()
    const { items, isList } = generationsOf(volume, subresource, this.#key)
    if (format !== undefined)
      return sendJson(
        response,
        200,
        this.#table({ table: generationTable }, items, format, ''),
      )
    const [only = {}] = items
    const list = {
      kind: 'VolumeGenerationList',
      apiVersion: 'podfs.io/v1',
      metadata: {},
      items,
    }
    sendJson(response, 200, isList ? list : only)
  }

  async #change(
    info: RequestInfo,
    query: Query,
    request: IncomingMessage,
  ): Promise<{ readonly code: number; readonly body: JsonObject }> {
    const resource = resourceOf(info)
    const { subresource, name } = info
    const { control, store } = this.#options
    if (resource.kind === 'Pod' && control !== undefined)
      return await changePods(info, request, query, {
        resource,
        pods: this.#collections.pods,
        store,
        control,
        wants: wanted(resource, info, query),
      })
    if (name === undefined) throw methodNotAllowed()
    const scaled = this.#scaledWorkload(info)
    const { scaling } = this.#options
    if (scaled !== undefined && scaling !== undefined) {
      const isDryRun = query.text('dryRun') !== ''
      const replicas = await changeScale(scaled, request, scaling, isDryRun)
      const now = this.#scaledWorkload(info) ?? scaled
      return { code: 200, body: scaleOf({ ...now, replicas }) }
    }
    if (resource.kind !== 'Volume')
      throw this.#notToChange(resource, info, name)
    const volume = this.#volume(info)
    if (volume === undefined) throw notFound(resource, name)
    if (request.method !== 'POST' || subresource === undefined)
      throw methodNotAllowed()
    const body = await changeVolume(volume, subresource, request)
    return { code: 201, body }
  }

  /** Of the subresource `scale`; throws an ApiError where there is no such workload. */
  #scaledWorkload(info: RequestInfo): ScaledWorkload | undefined {
    const { namespace = '', name = '', subresource } = info
    const resource = resourceOf(info)
    const isScalable = resource.subresources.some(each => each.name === 'scale')
    if (subresource !== 'scale' || !isScalable) return undefined
    const object = resource.cache(this.#collections).get(namespace, name)
    if (object === undefined) throw notFound(resource, name)
    const key = objectKey(resource.kind as ObjectKind, namespace, name)
    const replicas = this.#options.record.replicas.get(key) ?? 1
    return { resource, json: object.json(), replicas }
  }

  /** What the files say is changed there. */
  #notToChange(
    { kind, plural }: Resource,
    { namespace = '' }: RequestInfo,
    name: string,
  ): ApiError {
    const key = objectKey(kind as ObjectKind, namespace, name)
    const source = this.#options.store.get(key)?.source
    return source === undefined
      ? methodNotAllowed()
      : new ApiError(
          405,
          'MethodNotAllowed',
          `${plural} ${quote(name)} is what ${source.path}:${source.line}:${source.column} says, and is changed there`,
        )
  }

  #volume(info: RequestInfo): VolumeRecord | undefined {
    if (resourceOf(info).kind !== 'Volume') return undefined
    const { namespace = '', name = '' } = info
    const { pod, volume } = volumeOfName(name)
    return this.#options.record.findVolume(namespace, pod, volume)
  }

  #table(
    { table }: Pick<Resource, 'table'>,
    objects: readonly JsonObject[],
    includeObject: IncludeObject,
    resourceVersion: string | undefined,
    withColumns = true,
  ): JsonObject {
    return tableOf(table, objects, {
      now: this.#options.clock.now(),
      metadata: resourceVersion === undefined ? {} : { resourceVersion },
      withColumns,
      includeObject,
    })
  }
}

/** Ready is what has published every volume once. */
function notReady(record: SessionRecord): string {
  return record.volumes
    .filter(({ generation }) => generation === 0)
    .map(
      volume =>
        `[-]volume ${volume.namespace}/${volumeName(volume)} failed: ${volume.error ?? 'not published yet'}\n`,
    )
    .join('')
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof Failure) {
    const { message, further } = error
    const causes = further.map(each => ({ message: each }))
    return new ApiError(
      422,
      'Invalid',
      message,
      causes.length === 0 ? undefined : { causes },
    )
  }
  return new ApiError(500, 'InternalError', 'Internal error occurred')
}
