/**
 * What a reader of YAML or JSON hands to the decoder. Mappings are `Map`s, because
 * `__proto__` is a legal key of a ConfigMap.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | readonly Value[]
  | ReadonlyMap<string, Value>

/** The word for a value in `must be a string, not a number`. */
export function describeType(value: Value): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`
}

export function isMapping(value: unknown): value is ReadonlyMap<string, Value> {
  return value instanceof Map
}
