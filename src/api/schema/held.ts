import type { FieldSpec, FieldType, ScalarType, StructSpec } from './struct.ts'

/*
 * What the field tables say, as types. Those of ../types.ts are held to it, and the tables of those who act on a volume source are exhaustive over the names that stand here:
 * a field that is declared as supported and that somebody forgets does not compile.
 */

/** The fields of a struct of which podfs makes something. */
export type HandledField<S extends StructSpec> = {
  [K in keyof S['fields'] & string]: S['fields'][K]['treatment'] extends
    'supported' | 'emulated'
    ? K
    : never
}[keyof S['fields'] & string]

/** The value of a field that is no struct, as `decodeStruct` gives it. */
type Value<T extends FieldType> = T extends ScalarType
  ? Scalars[T]
  : T extends { readonly enum: readonly (infer Word)[] }
    ? Word
    : T extends { readonly list: infer Item extends FieldType }
      ? readonly Value<Item>[]
      : T extends { readonly map: infer Item extends ScalarType }
        ? ReadonlyMap<string, Scalars[Item]>
        : never

interface Scalars {
  readonly string: string
  readonly boolean: boolean
  readonly int32: number
  readonly int64: number
  readonly quantity: string
  readonly intOrString: number | string
  readonly bytes: Uint8Array
  readonly any: unknown
}

/** The struct that a field holds, or a list of which it holds. */
type StructIn<T> = T extends { readonly struct: () => infer S }
  ? S
  : T extends { readonly list: { readonly struct: () => infer S } }
    ? S
    : never

/** Whether it is there in whatever has been decoded and found valid. */
type IsAlwaysThere<F> = F extends
  { readonly default: unknown } | { readonly required: unknown }
  ? true
  : false

/**
 * The paths of the fields in which a type is not what the table of its struct says: a supported
 * field that it does not have, one that the table does not have or refuses, one of another
 * type, one that may be absent and of which it does not say so. `never` where all agree.
 */
export type Untied<S extends StructSpec, T> =
  | {
      [K in keyof S['fields'] & string]: UntiedField<S['fields'][K], T, K>
    }[keyof S['fields'] & string]
  | Exclude<keyof T & string, keyof S['fields']>

type UntiedField<F extends FieldSpec, T, K extends string> = K extends keyof T
  ? F['treatment'] extends 'rejected'
    ? K
    : undefined extends T[K]
      ? UntiedValue<F['type'], NonNullable<T[K]>, K>
      : IsAlwaysThere<F> extends true
        ? UntiedValue<F['type'], T[K], K>
        : K
  : F['treatment'] extends 'supported'
    ? K
    : never

type UntiedValue<F extends FieldType, T, K extends string> = [
  StructIn<F>,
] extends [never]
  ? [Value<F>] extends [T]
    ? never
    : K
  : StructIn<F> extends infer S extends StructSpec
    ? `${K}.${Untied<S, T extends readonly (infer Item)[] ? Item : T>}`
    : never
