import type { KubeObject, ObjectKind } from './types.ts'

/** `kind/namespace/name`: unique among all objects. */
export type ObjectKey = `${ObjectKind}/${string}/${string}`

export function objectKey(
  kind: ObjectKind,
  namespace: string,
  name: string,
): ObjectKey {
  return `${kind}/${namespace}/${name}`
}

export function keyOf(object: KubeObject): ObjectKey {
  return objectKey(object.kind, object.metadata.namespace, object.metadata.name)
}
