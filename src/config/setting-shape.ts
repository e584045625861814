import { isAbsolute, join } from 'node:path'
import { nearest } from '../util/edit-distance.ts'

/**
 * What a value of podfs.yaml must be, as data. Checking, defaults, PODFS_* variables and the
 * JSON schema are all made from it.
 */
export type SettingShape = Described &
  (
    | {
        readonly kind: 'string'
        readonly oneOf?: readonly string[]
        readonly pattern?: WordPattern
        /**
         * In a file it begins at the directory of that file. An empty one is a mistake, not that
         * directory, unless it is the default: then it is none.
         */
        readonly isPath?: boolean
      }
    | { readonly kind: 'boolean' }
    | { readonly kind: 'number'; readonly min: number; readonly max: number }
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

/** What a string must look like; `must` completes "NAME: must ...". */
interface WordPattern {
  readonly source: string
  readonly must: string
}

interface Described {
  /** A sentence or two for a person in front of an editor. */
  readonly description?: string
  /** What an absent setting means. */
  readonly default?: unknown
  /** A podfs that runs takes a new value over when it is told to reload. */
  readonly live?: boolean
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
    case 'string': {
      const mistake = mistakeIn(shape, word)
      return mistake === undefined ? { value: word } : { mistake }
    }
    case 'boolean':
      return word === 'true' || word === 'false'
        ? { value: word === 'true' }
        : { mistake: 'must be true or false' }
    case 'number': {
      const mistake = mistakeInNumber(shape, Number(word))
      return mistake === undefined ? { value: Number(word) } : { mistake }
    }
    case 'stringMap':
    case 'list':
    case 'struct':
  }
  return { mistake: 'can only be set in podfs.yaml' }
}

/** Why a string is not one that the shape allows. */
export function mistakeIn(
  shape: Extract<SettingShape, { kind: 'string' }>,
  word: string,
): string | undefined {
  const { oneOf, pattern } = shape
  if (word === '' && !mayBeEmpty(shape)) return 'must be a path'
  if (oneOf !== undefined && !oneOf.includes(word))
    return mustBeOneOf(oneOf, word)
  if (pattern !== undefined && !new RegExp(pattern.source).test(word))
    return `must ${pattern.must}`
  return undefined
}

/** As far as it is not for a pattern or a list to say. */
export function mayBeEmpty(
  shape: Extract<SettingShape, { kind: 'string' }>,
): boolean {
  return shape.isPath !== true || shape.default === ''
}

/** Why a number is not one that the shape allows. */
export function mistakeInNumber(
  { min, max }: Extract<SettingShape, { kind: 'number' }>,
  value: unknown,
): string | undefined {
  return typeof value === 'number' && value >= min && value <= max
    ? undefined
    : `must be a number from ${min} to ${max}`
}

function mustBeOneOf(choices: readonly string[], word: string): string {
  const meant = nearest(word, choices)
  return `must be one of ${choices.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** The value with its paths begun at `base`, the directory of the file that has it; '' is none. */
export function withPathsFrom(
  base: string,
  shape: SettingShape,
  value: unknown,
): unknown {
  if (typeof value === 'string')
    return shape.kind === 'string' && shape.isPath === true && value !== ''
      ? join(isAbsolute(value) ? '/' : base, value)
      : value
  if (shape.kind === 'list' && Array.isArray(value))
    return value.map(item => withPathsFrom(base, shape.of, item))
  if (shape.kind === 'struct' && typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [
        name,
        withPathsFrom(base, shape.fields[name] ?? shape, field),
      ]),
    )
  return value
}
