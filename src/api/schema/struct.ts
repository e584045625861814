/** How podfs treats a field of the input. `supported` fields are not reported. */
export type Treatment = 'supported' | 'emulated' | 'ignored' | 'rejected'

/**
 * The language of the field tables: what each struct of the Kubernetes API has, and how podfs
 * treats it. The decoder, `podfs explain` and docs/fields.md all read these tables, so that
 * they cannot disagree; held.ts ties the types of ../types.ts to them. Source of names and
 * types: staging/src/k8s.io/api/core/v1/types.go of v1.34.
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

export interface FieldSpec<
  T extends FieldType = FieldType,
  How extends Treatment = Treatment,
> {
  readonly type: T
  readonly treatment: How
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

type Fields = Readonly<Record<string, FieldSpec>>

export interface StructSpec<F extends Fields = Fields> {
  /** The Go name, such as `PodSpec`. */
  readonly name: string
  readonly fields: F
}

type Extra = Omit<FieldSpec, 'type' | 'treatment'>

export function struct<F extends Fields>(
  name: string,
  fields: F,
): StructSpec<F> {
  return { name, fields }
}

export function supported<const T extends FieldType>(
  type: T,
): FieldSpec<T, 'supported'>
export function supported<const T extends FieldType, E extends Extra>(
  type: T,
  extra: E,
): FieldSpec<T, 'supported'> & E
export function supported(type: FieldType, extra: Extra = {}): FieldSpec {
  return { type, treatment: 'supported', ...extra }
}

export function emulated<const T extends FieldType>(
  type: T,
  reason: string,
): FieldSpec<T, 'emulated'>
export function emulated<const T extends FieldType, E extends Extra>(
  type: T,
  reason: string,
  extra: E,
): FieldSpec<T, 'emulated'> & E
export function emulated(
  type: FieldType,
  reason: string,
  extra: Extra = {},
): FieldSpec {
  return { type, treatment: 'emulated', reason, ...extra }
}

export function ignored<const T extends FieldType>(
  type: T,
  reason: string,
): FieldSpec<T, 'ignored'>
export function ignored<const T extends FieldType, E extends Extra>(
  type: T,
  reason: string,
  extra: E,
): FieldSpec<T, 'ignored'> & E
export function ignored(
  type: FieldType,
  reason: string,
  extra: Extra = {},
): FieldSpec {
  return { type, treatment: 'ignored', reason, ...extra }
}

export function rejected<const T extends FieldType>(
  type: T,
  reason: string,
): FieldSpec<T, 'rejected'> {
  return { type, treatment: 'rejected', reason }
}

/** A list of structs, the most common shape. */
export function listOf<S extends StructSpec>(
  spec: S,
): { readonly list: { readonly struct: () => S } } {
  return { list: { struct: () => spec } }
}

export function one<S extends StructSpec>(
  spec: S,
): { readonly struct: () => S } {
  return { struct: () => spec }
}

export const strings = { list: 'string' } as const satisfies FieldType
export const stringMap = { map: 'string' } as const satisfies FieldType
