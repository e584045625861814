/**
 * What a value of podfs.yaml must be, as data. Checking, defaults, PODFS_* variables and the
 * JSON schema are all made from it.
 */
export type SettingShape = Described &
  (
    | { readonly kind: 'string'; readonly oneOf?: readonly string[] }
    | { readonly kind: 'boolean' }
    | { readonly kind: 'stringMap' }
    | { readonly kind: 'list'; readonly of: SettingShape }
    | StructShape
  )

/** All fields are optional but for those in `required`. */
export interface StructShape extends Described {
  readonly kind: 'struct'
  readonly fields: Readonly<Record<string, SettingShape>>
  readonly required?: readonly string[]
}

interface Described {
  /** A sentence or two for a person in front of an editor. */
  readonly description?: string
  /** What an absent setting means. */
  readonly default?: unknown
}

/** A setting that is given as a whole, such as `fuse.answerOpens` or `images`. */
export interface Leaf {
  readonly path: readonly string[]
  readonly shape: SettingShape
}

/** Everything that can be set, in the order of the shape; what is within a list is not. */
export function leavesOf(
  shape: SettingShape,
  path: readonly string[] = [],
): Leaf[] {
  if (shape.kind !== 'struct') return [{ path, shape }]
  return Object.entries(shape.fields).flatMap(([name, field]) =>
    leavesOf(field, [...path, name]),
  )
}

/** A single word (a flag's, an environment variable's) as a value of the shape, or why not. */
export function valueOfWord(
  shape: SettingShape,
  word: string,
): { readonly value: unknown } | { readonly mistake: string } {
  switch (shape.kind) {
    case 'string':
      return shape.oneOf === undefined || shape.oneOf.includes(word)
        ? { value: word }
        : { mistake: `must be one of ${shape.oneOf.join(', ')}` }
    case 'boolean':
      return word === 'true' || word === 'false'
        ? { value: word === 'true' }
        : { mistake: 'must be true or false' }
    case 'stringMap':
    case 'list':
    case 'struct':
  }
  return { mistake: 'can only be set in podfs.yaml' }
}
