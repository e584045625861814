import { applyPatch, type Operation } from 'fast-json-patch'
import type { Json, JsonObject } from '../api/json.ts'
import { ApiError, badRequest } from './api-error.ts'

/** How each kind of patch is called in a request. */
const types: Readonly<
  Record<string, (object: JsonObject, patch: Json) => JsonObject>
> = {
  'application/json-patch+json': jsonPatched,
  'application/merge-patch+json': (object, patch) =>
    merged(object, asObject(patch), 'merge'),
  'application/strategic-merge-patch+json': (object, patch) =>
    merged(object, asObject(patch), 'strategic'),
}

/** The object as a patch of this content type has it; it stays as it was. Throws an ApiError. */
export function patched(
  object: JsonObject,
  contentType: string | undefined,
  patch: Json,
): JsonObject {
  const [type = ''] = (contentType ?? '').split(';')
  const apply = Object.hasOwn(types, type.trim())
    ? types[type.trim()]
    : undefined
  if (apply === undefined)
    throw new ApiError(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(types).join(', ')}`,
    )
  return apply(object, patch)
}

/** RFC 6902. */
function jsonPatched(object: JsonObject, patch: Json): JsonObject {
  if (!Array.isArray(patch))
    throw badRequest('a JSON patch must be a list of operations')
  try {
    const { newDocument } = applyPatch(
      object,
      patch as unknown as Operation[],
      true,
      false,
    )
    return asObject(newDocument)
  } catch (error) {
    // The further lines are the whole object.
    const [message = ''] = (error as Error).message.split('\n')
    throw new ApiError(
      422,
      'Invalid',
      `the JSON patch cannot be applied: ${message}`,
    )
  }
}

/** By which field the objects of a list are told apart (patchMergeKey of core/v1, types.go). */
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  env: 'name',
  ephemeralContainers: 'name',
  hostAliases: 'ip',
  hostIPs: 'ip',
  imagePullSecrets: 'name',
  initContainers: 'name',
  podIPs: 'ip',
  ports: 'containerPort',
  schedulingGates: 'name',
  volumeMounts: 'mountPath',
  volumes: 'name',
}

type MergeType = 'merge' | 'strategic'

/**
 * RFC 7396; `strategic`: lists of objects that have a key are merged, too, as the API server
 * does (apimachinery, pkg/util/strategicpatch), with its `$patch` and without a wish for an
 * order.
 */
function merged(
  object: JsonObject,
  patch: JsonObject,
  type: MergeType,
): JsonObject {
  if (type === 'strategic' && patch['$patch'] === 'replace')
    return withoutDirectives(patch)
  const result = new Map(Object.entries(object))
  for (const [key, value] of Object.entries(patch)) {
    if (type === 'strategic' && key.startsWith('$')) {
      if (/^\$(setElementOrder\/|retainKeys$)/.test(key)) continue
      throw badRequest(`${key} is not supported`)
    }
    if (value === null) result.delete(key)
    else result.set(key, mergedValue(key, object[key], value, type))
  }
  return Object.fromEntries(result)
}

function mergedValue(
  key: string,
  old: Json | undefined,
  value: Json,
  type: MergeType,
): Json {
  if (isObject(value)) return merged(isObject(old) ? old : {}, value, type)
  const mergeKey = Object.hasOwn(mergeKeys, key) ? mergeKeys[key] : undefined
  return type === 'strategic' && isList(value) && mergeKey !== undefined
    ? mergedList(isList(old) ? old : [], value, mergeKey)
    : value
}

function mergedList(
  old: readonly Json[],
  patch: readonly Json[],
  mergeKey: string,
): readonly Json[] {
  const items = patch.map(asObject)
  if (items.some(item => item['$patch'] === 'replace'))
    return items
      .filter(item => item['$patch'] !== 'replace')
      .map(withoutDirectives)
  let result = [...old]
  for (const item of items) {
    const id = item[mergeKey]
    if (id === undefined)
      throw badRequest(
        `map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`,
      )
    const isIt = (each: Json): boolean =>
      isObject(each) && each[mergeKey] === id
    if (item['$patch'] === 'delete') {
      result = result.filter(each => !isIt(each))
      continue
    }
    const at = result.findIndex(isIt)
    if (at === -1) result.push(merged({}, item, 'strategic'))
    else result[at] = merged(asObject(result[at] ?? {}), item, 'strategic')
  }
  return result
}

function withoutDirectives(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([key]) => !key.startsWith('$')),
  )
}

function asObject(value: Json): JsonObject {
  if (isObject(value)) return value
  throw badRequest('an object was expected')
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
