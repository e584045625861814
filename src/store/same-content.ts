import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../api/types.ts'

/**
 * Whether two states of an object differ in nothing that a reader of the object could see:
 * all but the place in the file and the resourceVersion.
 */
export function sameContent(a: KubeObject, b: KubeObject): boolean {
  return isDeepStrictEqual(content(a), content(b))
}

function content(object: KubeObject): unknown {
  const { source: _source, metadata, ...rest } = object
  const { resourceVersion: _resourceVersion, ...kept } = metadata
  return { ...rest, metadata: kept }
}
