import type { Treatment } from '../report.ts'

/**
 * The language of the field tables: what each struct of the Kubernetes API has, and how podfs
 * treats it. The decoder, `podfs explain` and docs/fields.md all read these tables, so that
 * they cannot disagree. Source of names and types: staging/src/k8s.io/api/core/v1/types.go
 * of v1.34.
 */
export type ScalarType =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  /** A number or a string such as `100m`; kept as written. */
  | 'quantity'
  | 'intOrString'
  /** Standard base64 in the file, bytes after decoding. */
  | 'bytes'
  /** Not looked into. */
  | 'any'

export type FieldType =
  | ScalarType
  /** A string from a closed set; the order is that of the API server's message. */
  | { readonly enum: readonly string[] }
  | { readonly list: FieldType }
  | { readonly map: ScalarType }
  /** A thunk, because LabelSelector and friends are used before they are defined. */
  | { readonly struct: () => StructSpec }

export interface FieldSpec {
  readonly type: FieldType
  readonly treatment: Treatment
  /** Why it is not plainly supported, for the person who wrote the field. */
  readonly reason?: string
  /** `elsewhere`: validation says that it is missing, at a path that the API server has chosen. */
  readonly required?: boolean | 'elsewhere'
  /** What an absent field means; an empty list only saves the reader a test. */
  readonly default?: unknown
  /** A pointer in Go: an empty string is a value, and not the same as an absent field. */
  readonly pointer?: boolean
  /** A number that is no pointer in Go: 0 is the same as an absent field. */
  readonly zeroIsAbsent?: boolean
}

export interface StructSpec {
  /** The Go name, such as `PodSpec`. */
  readonly name: string
  readonly fields: Readonly<Record<string, FieldSpec>>
}

type Extra = Omit<FieldSpec, 'type' | 'treatment'>

export function struct(
  name: string,
  fields: Readonly<Record<string, FieldSpec>>,
): StructSpec {
  return { name, fields }
}

export function supported(type: FieldType, extra: Extra = {}): FieldSpec {
  return { type, treatment: 'supported', ...extra }
}

export function emulated(
  type: FieldType,
  reason: string,
  extra: Extra = {},
): FieldSpec {
  return { type, treatment: 'emulated', reason, ...extra }
}

export function ignored(
  type: FieldType,
  reason: string,
  extra: Extra = {},
): FieldSpec {
  return { type, treatment: 'ignored', reason, ...extra }
}

export function rejected(type: FieldType, reason: string): FieldSpec {
  return { type, treatment: 'rejected', reason }
}

/** A list of structs, the most common shape. */
export function listOf(spec: StructSpec): FieldType {
  return { list: { struct: () => spec } }
}

export function one(spec: StructSpec): FieldType {
  return { struct: () => spec }
}

export const strings: FieldType = { list: 'string' }
export const stringMap: FieldType = { map: 'string' }
