import type { Json, JsonObject } from '../json.ts'
import { definitionOf } from '../schema/definition-of.ts'
import type { FieldSpec, FieldType, StructSpec } from '../schema/struct.ts'
import type { KubeObject, ObjectMeta } from '../types.ts'

/**
 * An object as the Kubernetes API gives it out: the way back from `decodeObject`. A field that
 * says only what its absence means (false, an empty list) is left out, as Go's omitempty does;
 * decoding fills it in again. Values of a Secret are base64.
 */
export function encodeObject(object: KubeObject): JsonObject {
  const { kind, metadata, source: _, ...rest } = object
  const { apiVersion, struct } = definitionOf(kind)
  return {
    apiVersion,
    kind,
    metadata: encodeMetadata(metadata),
    ...encodeStruct(struct, rest),
  }
}

function encodeMetadata(metadata: ObjectMeta): JsonObject {
  const { labels, annotations, namespace, uid, ...rest } = metadata
  return {
    ...rest,
    ...(namespace === '' ? {} : { namespace }),
    ...(uid === '' ? {} : { uid }),
    ...(labels.size === 0 ? {} : { labels: Object.fromEntries(labels) }),
    ...(annotations.size === 0
      ? {}
      : { annotations: Object.fromEntries(annotations) }),
  }
}

function encodeStruct(spec: StructSpec, value: object): JsonObject {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]: [string, unknown]) => {
      const fieldSpec = spec.fields[key]
      if (fieldSpec === undefined || field === undefined) return []
      return saysNothing(fieldSpec, field)
        ? []
        : [[key, encodeType(fieldSpec.type, field)]]
    }),
  )
}

/** The zero value of a field that has a default: the default is that same value. */
function saysNothing(field: FieldSpec, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (value instanceof Map) return value.size === 0
  return (
    field.default === value && (value === false || value === '' || value === 0)
  )
}

function encodeType(type: FieldType, value: unknown): Json {
  if (typeof type === 'string' || 'enum' in type) return encodeScalar(value)
  if ('struct' in type) return encodeStruct(type.struct(), value as object)
  if ('map' in type)
    return Object.fromEntries(
      [...(value as ReadonlyMap<string, unknown>)].map(([key, each]) => [
        key,
        encodeScalar(each),
      ]),
    )
  return (value as readonly unknown[]).map(each => encodeType(type.list, each))
}

/** Also what no table looks into: it came from a file, so it is made of JSON's values. */
function encodeScalar(value: unknown): Json {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Map)
    return Object.fromEntries(
      [...(value as ReadonlyMap<string, unknown>)].map(([key, each]) => [
        key,
        encodeScalar(each),
      ]),
    )
  if (Array.isArray(value)) return value.map(encodeScalar)
  return value as Json
}
