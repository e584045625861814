import type { SettingShape, StructShape } from './setting-shape.ts'

/** What a value of the shape is, once the defaults are filled in. */
export type ValueOf<Shape extends SettingShape> = Shape extends {
  readonly kind: 'string'
}
  ? Shape extends { readonly oneOf: readonly (infer Word)[] }
    ? Word
    : string
  : Shape extends { readonly kind: 'boolean' }
    ? boolean
    : Shape extends { readonly kind: 'number' }
      ? number
      : Shape extends { readonly kind: 'stringMap' }
        ? ReadonlyMap<string, string>
        : Shape extends {
              readonly kind: 'list'
              readonly of: infer Item extends SettingShape
            }
          ? readonly ValueOf<Item>[]
          : Shape extends StructShape
            ? StructOf<Shape>
            : never

type StructOf<Shape extends StructShape> = {
  readonly [Name in AlwaysThere<Shape>]: ValueOf<Shape['fields'][Name]>
} & {
  readonly [
    Name in Exclude<keyof Shape['fields'], AlwaysThere<Shape>>
  ]?: ValueOf<Shape['fields'][Name]>
}

type AlwaysThere<Shape extends StructShape> = {
  [Name in keyof Shape['fields']]: Shape['fields'][Name] extends
    { readonly default: unknown } | { readonly kind: 'struct' }
    ? Name
    : Shape extends { readonly required: readonly (infer Required)[] }
      ? Extract<Name, Required>
      : never
}[keyof Shape['fields']]

/** The names of all leaves, with those of the structs above them: `fuse.answerOpens`. */
export type LeafName<Shape extends StructShape> = {
  [
    Name in keyof Shape['fields'] & string
  ]: Shape['fields'][Name] extends infer Struct extends StructShape
    ? `${Name}.${LeafName<Struct>}`
    : Name
}[keyof Shape['fields'] & string]

/** Of these those that are `live`. */
export type LiveName<Shape extends StructShape> = {
  [
    Name in keyof Shape['fields'] & string
  ]: Shape['fields'][Name] extends infer Struct extends StructShape
    ? `${Name}.${LiveName<Struct>}`
    : Shape['fields'][Name] extends { readonly live: true }
      ? Name
      : never
}[keyof Shape['fields'] & string]

/** The parts of an object that have these names. */
export type SomeOf<T, Name extends string> = {
  readonly [Key in Extract<keyof T, HeadOf<Name>>]: Key extends Name
    ? T[Key]
    : SomeOf<T[Key], Below<Key & string, Name>>
}

type HeadOf<Name> = Name extends `${infer Head}.${string}` ? Head : Name

type Below<Key extends string, Name> = Name extends `${Key}.${infer Rest}`
  ? Rest
  : never
