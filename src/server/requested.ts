import { noSuchResource } from './api-error.ts'
import type { CachedObject } from './object-cache.ts'
import type { Query } from './query.ts'
import type { RequestInfo } from './request-info.ts'
import { resources, type Resource } from './resources.ts'
import { labelMatcher, parseFieldSelector } from './selectors.ts'

const commonFields = ['metadata.name', 'metadata.namespace'] as const

/** Whether an object of the resource is among what is asked for. Throws an ApiError. */
export function wanted(
  resource: Resource,
  info: RequestInfo,
  query: Query,
): (object: CachedObject) => boolean {
  const labels = labelMatcher(query.text('labelSelector'))
  const fields = parseFieldSelector(
    query.text('fieldSelector'),
    new Set([...commonFields, ...resource.fields]),
  )
  return object =>
    (info.namespace === undefined || object.namespace === info.namespace) &&
    labels(object.labels) &&
    fields(object.fields)
}

/** The resource of the path. Throws an ApiError. */
export function resourceOf(info: RequestInfo): Resource {
  const resource = resources.find(
    ({ group, version, plural, namespaced }) =>
      group === info.group &&
      version === info.version &&
      plural === info.resource &&
      (namespaced || info.namespace === undefined),
  )
  if (resource === undefined) throw noSuchResource()
  return resource
}
