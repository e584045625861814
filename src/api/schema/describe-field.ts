import type { FieldSpec, FieldType } from './struct.ts'

/** A type in words: `string`, `list of Container`, `map of string to quantity`. */
export function typeWords(type: FieldType): string {
  if (typeof type === 'string') return type === 'any' ? 'anything' : type
  if ('enum' in type) return 'string'
  if ('list' in type) return `list of ${typeWords(type.list)}`
  if ('map' in type) return `map of string to ${type.map}`
  return type.struct().name
}

/** The values that a field may have, if they are counted. */
export function enumOf(type: FieldType): readonly string[] | undefined {
  if (typeof type === 'string') return undefined
  if ('list' in type) return enumOf(type.list)
  return 'enum' in type ? type.enum : undefined
}

/** What an absent field means, where that says something; a mode in octal, as people write it. */
export function defaultWords(
  name: string,
  field: FieldSpec,
): string | undefined {
  const value = field.default
  if (typeof value === 'string') return value === '' ? undefined : value
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number') return undefined
  return name === 'defaultMode'
    ? `0${value.toString(8)} (${value})`
    : String(value)
}
