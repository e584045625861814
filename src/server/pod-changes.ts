import type { IncomingMessage } from 'node:http'
import { part, text, type Json, type JsonObject } from '../api/json.ts'
import { objectKey, type ObjectKey } from '../api/object-key.ts'
import type { Pod } from '../api/types.ts'
import type { Store } from '../store/store.ts'
import {
  ApiError,
  badRequest,
  methodNotAllowed,
  noSuchResource,
  notFound,
  quote,
} from './api-error.ts'
import { success } from './answers.ts'
import {
  changedPod,
  withEphemeralContainers,
  writtenStatus,
} from './changed-pod.ts'
import type { CachedObject, ObjectCache } from './object-cache.ts'
import { patched } from './patch.ts'
import type { ControlledPod, PodControl } from './pod-control.ts'
import type { Query } from './query.ts'
import { parseJson, readJson, readText } from './request-body.ts'
import type { RequestInfo } from './request-info.ts'
import type { Resource } from './resources.ts'

/*
 * What can be written of the Pods that run here:
 *
 *     PATCH, PUT  NAME            labels, annotations, what may change of a spec
 *     PATCH, PUT  NAME/status     conditions of others than the kubelet, reason and message
 *     PATCH, PUT  NAME/ephemeralcontainers: further ones
 *     DELETE      NAME, or all that a selector has
 *     POST        NAME/restart, NAME/stop, NAME/start: podfs's own
 *
 * It is in memory alone, of the Pod that runs. What the files say next of it counts instead.
 */

export interface PodChangesOptions {
  readonly resource: Resource
  readonly pods: ObjectCache
  readonly store: Store
  readonly control: PodControl
  /** Whether an object is among what a collection asks for. */
  readonly wants: (object: CachedObject) => boolean
}

interface Answer {
  readonly code: number
  readonly body: JsonObject
}

/** Does what is asked. Throws an ApiError. */
export async function changePods(
  info: RequestInfo,
  request: IncomingMessage,
  query: Query,
  options: PodChangesOptions,
): Promise<Answer> {
  const { method } = request
  const { namespace, name, subresource } = info
  if (name === undefined) {
    if (method !== 'DELETE') throw methodNotAllowed()
    return await deleteAll(namespace, request, query, options)
  }
  if (namespace === undefined) throw noSuchResource()
  const found = findPod(namespace, name, options)
  switch (`${method} ${subresource ?? ''}`) {
    case 'PATCH ':
    case 'PUT ':
      return await update(found, request, query, changedPod)
    case 'PATCH ephemeralcontainers':
    case 'PUT ephemeralcontainers':
      return await update(found, request, query, withEphemeralContainers)
    case 'PATCH status':
    case 'PUT status':
      return await updateStatus(found, request, query)
    case 'DELETE ':
      return await deleteOne(found, request, query)
    case 'POST restart':
      found.controlled.restart(graceIn(query, {}))
      return done(`pod ${quote(name)} restarted`)
    case 'POST stop':
      found.controlled.hold(graceIn(query, {}))
      return done(`pod ${quote(name)} stopped`)
    case 'POST start':
      found.controlled.start()
      return done(`pod ${quote(name)} started`)
  }
  throw methodNotAllowed()
}

interface FoundPod {
  readonly controlled: ControlledPod
  /** Undefined of one that was deleted, and can be started again. */
  readonly shown: () => JsonObject | undefined
  readonly missing: ApiError
}

function findPod(
  namespace: string,
  name: string,
  { resource, pods, store, control }: PodChangesOptions,
): FoundPod {
  const key: ObjectKey = objectKey('Pod', namespace, name)
  const controlled = control.find(key)
  const shown = (): JsonObject | undefined => pods.get(namespace, name)?.json()
  const missing = notFound(resource, name)
  if (controlled !== undefined) return { controlled, shown, missing }
  const inFiles = store.get(key)
  if (inFiles === undefined) throw missing
  const { path, line, column } = inFiles.source
  throw new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on pods ${quote(name)}: this podfs does not run it; it is what ${path}:${line}:${column} says`,
  )
}

/** The Pod that runs, and how it is shown. Throws an ApiError when none does. */
function runningPod({ controlled, shown, missing }: FoundPod): {
  readonly pod: Pod
  readonly json: JsonObject
} {
  const json = shown()
  if (json === undefined) throw missing
  const { current } = controlled
  if (current === undefined)
    throw new ApiError(
      409,
      'Conflict',
      `Operation cannot be fulfilled on pods ${quote(text(part(json, 'metadata')['name']))}: it does not run`,
    )
  return { pod: current, json }
}

async function wantedChange(
  found: FoundPod,
  request: IncomingMessage,
): Promise<{
  readonly pod: Pod
  readonly json: JsonObject
  readonly wanted: JsonObject
}> {
  const body = await readJson(request)
  const { pod, json } = runningPod(found)
  return { pod, json, wanted: wantedObject(json, request, body) }
}

async function update(
  found: FoundPod,
  request: IncomingMessage,
  query: Query,
  change: typeof changedPod,
): Promise<Answer> {
  const { pod, json, wanted } = await wantedChange(found, request)
  const next = change(pod, json, wanted)
  if (isDryRun(query)) return { code: 200, body: wanted }
  found.controlled.update(next)
  return { code: 200, body: found.shown() ?? wanted }
}

async function updateStatus(
  found: FoundPod,
  request: IncomingMessage,
  query: Query,
): Promise<Answer> {
  const { pod, json, wanted } = await wantedChange(found, request)
  const written = writtenStatus(pod, json, wanted)
  const answer = { ...json, status: part(wanted, 'status') }
  if (!isDryRun(query)) found.controlled.setWritten(written)
  return { code: 200, body: answer }
}

/** As the API server answers: with the object on its way out. */
async function deleteOne(
  found: FoundPod,
  request: IncomingMessage,
  query: Query,
): Promise<Answer> {
  const options = await deleteOptions(request)
  const json = found.shown()
  if (json === undefined) throw found.missing
  const { uid, resourceVersion } = part(options, 'preconditions')
  const metadata = part(json, 'metadata')
  for (const [word, wanted, is] of [
    ['UID', uid, metadata['uid']],
    ['ResourceVersion', resourceVersion, metadata['resourceVersion']],
  ] as const)
    if (wanted !== undefined && wanted !== null && wanted !== is)
      throw new ApiError(
        409,
        'Conflict',
        `Operation cannot be fulfilled on pods ${quote(text(metadata['name']))}: Precondition failed: ${word} in precondition: ${text(wanted)}, ${word} in object meta: ${text(is)}`,
      )
  if (isDryRun(query) || isDryRunOption(options))
    return { code: 200, body: json }
  found.controlled.delete(graceIn(query, options))
  return { code: 200, body: found.shown() ?? json }
}

/** Of the Pods that this podfs runs; it has no others to delete. */
async function deleteAll(
  namespace: string | undefined,
  request: IncomingMessage,
  query: Query,
  { pods, control, wants }: PodChangesOptions,
): Promise<Answer> {
  const options = await deleteOptions(request)
  const grace = graceIn(query, options)
  const items: JsonObject[] = []
  for (const object of pods.list(namespace).filter(wants)) {
    const key = objectKey('Pod', object.namespace, object.name)
    const controlled = control.find(key)
    if (controlled === undefined) continue
    if (!isDryRun(query) && !isDryRunOption(options)) controlled.delete(grace)
    const now = pods.get(object.namespace, object.name) ?? object
    items.push(now.json())
  }
  const resourceVersion = String(pods.resourceVersion)
  return {
    code: 200,
    body: {
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: { resourceVersion },
      items,
    },
  }
}

function done(message: string): Answer {
  return { code: 201, body: success(message) }
}

function wantedObject(
  shown: JsonObject,
  request: IncomingMessage,
  body: Json,
): JsonObject {
  if (request.method === 'PATCH')
    return patched(shown, request.headers['content-type'], body)
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest('a Pod was expected')
  return body as JsonObject
}

function isDryRun(query: Query): boolean {
  return query.text('dryRun') !== ''
}

function isDryRunOption(options: JsonObject): boolean {
  return Array.isArray(options['dryRun']) && options['dryRun'].length > 0
}

/** Less than 0 is 1, as in the Pod strategy of the API server. */
function graceIn(query: Query, options: JsonObject): number | undefined {
  const given =
    query.integer('gracePeriodSeconds') ?? options['gracePeriodSeconds']
  if (given === undefined || given === null) return undefined
  if (typeof given !== 'number' || !Number.isSafeInteger(given))
    throw badRequest('gracePeriodSeconds: must be a whole number')
  return given < 0 ? 1 : given
}

async function deleteOptions(request: IncomingMessage): Promise<JsonObject> {
  const body = await readText(request)
  const options = body.trim() === '' ? {} : parseJson(body)
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw badRequest('DeleteOptions were expected')
  return options as JsonObject
}
