import type { ServerResponse } from 'node:http'
import type { JsonObject } from '../api/json.ts'
import type { Clock } from '../util/clock.ts'
import { type ApiError, expired, tooLarge } from './api-error.ts'
import type { CachedObject, CacheEvent, ObjectCache } from './object-cache.ts'
import type { Query } from './query.ts'

const bookmarkMs = 60_000
/** Without timeoutSeconds; as the API server's --min-request-timeout. */
const defaultTimeoutSeconds = 1800
/** A client that does not read has to list again. */
const maxUnsentBytes = 16 * 1024 * 1024

export interface WatchOptions {
  readonly cache: ObjectCache
  readonly query: Query
  readonly clock: Clock
  readonly apiVersion: string
  readonly kind: string
  readonly wants: (object: CachedObject) => boolean
  /** As the client wants to see it: the object itself, or a table with one row. */
  readonly show: (object: JsonObject, isFirst: boolean) => JsonObject
}

/**
 * A watch: one JSON object a line, `{type, object}`. It begins with the changes after
 * `resourceVersion`, or without one with an ADDED for each object that there is. A version
 * that is too old is an ERROR with a Status of code 410, as from the API server: the client
 * lists again.
 */
export function serveWatch(
  response: ServerResponse,
  options: WatchOptions,
): void {
  const { cache, query, clock, wants, show } = options
  const begin = beginning(options)
  const timeoutSeconds = query.integer('timeoutSeconds')
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  let isFirst = true
  const send = (type: string, object: JsonObject): void => {
    response.write(`${JSON.stringify({ type, object })}\n`)
    if (response.writableLength > maxUnsentBytes) response.destroy()
  }
  const sendObject = (type: string, object: CachedObject): void => {
    send(type, show(object.json(), isFirst))
    isFirst = false
  }
  const follow = ({ type, object, old }: CacheEvent): void => {
    const wanted = wants(object)
    const wasWanted = old !== undefined && wants(old)
    // For who sees only what matches, what begins to match appears and what no longer does goes.
    if (type === 'DELETED') {
      if (wasWanted) sendObject(type, object)
    } else if (wanted) sendObject(wasWanted ? 'MODIFIED' : 'ADDED', object)
    else if (wasWanted) sendObject('DELETED', object)
  }
  const bookmark = (annotations?: JsonObject): void =>
    send('BOOKMARK', {
      apiVersion: options.apiVersion,
      kind: options.kind,
      metadata: {
        resourceVersion: String(cache.resourceVersion),
        ...(annotations === undefined ? {} : { annotations }),
      },
    })

  if (begin.error !== undefined) {
    send('ERROR', begin.error.status())
    response.end()
    return
  }
  for (const object of begin.objects)
    if (wants(object)) sendObject('ADDED', object)
  for (const event of begin.events) follow(event)
  const wantsBookmarks = query.flag('allowWatchBookmarks')
  if (query.flag('sendInitialEvents') && wantsBookmarks)
    bookmark({ 'k8s.io/initial-events-end': 'true' })

  const unsubscribe = cache.watch(follow)
  let timer: { cancel(): void } | undefined
  const nextBookmark = (): void => {
    timer = clock.after(bookmarkMs, () => {
      bookmark()
      nextBookmark()
    })
  }
  if (wantsBookmarks) nextBookmark()
  const end = clock.after(
    (timeoutSeconds ?? defaultTimeoutSeconds) * 1000,
    () => response.end(),
  )
  response.on('close', () => {
    unsubscribe()
    timer?.cancel()
    end.cancel()
  })
}

interface Beginning {
  readonly objects: readonly CachedObject[]
  readonly events: readonly CacheEvent[]
  readonly error?: ApiError
}

function beginning({ cache, query }: WatchOptions): Beginning {
  if (query.flag('sendInitialEvents'))
    return { objects: cache.list(), events: [] }
  const given = query.resourceVersion
  if (given === undefined) return { objects: cache.list(), events: [] }
  const { resourceVersion } = cache
  if (given > resourceVersion)
    return { objects: [], events: [], error: tooLarge(given, resourceVersion) }
  const events = cache.since(given)
  return events === undefined
    ? {
        objects: [],
        events: [],
        error: expired(given, resourceVersion),
      }
    : { objects: [], events }
}
