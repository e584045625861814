import { type Json, type JsonObject } from '../../../api/json.ts'

/**
 * A float64 that happens to be whole, such as `3.0` in a template. Other numbers are what Go
 * makes of them: whole ones int64, the rest float64.
 */
export class GoFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** What an expression can be; undefined where an object lacks a field. */
export type GoValue = Json | GoFloat | undefined

export function isMap(value: GoValue): value is JsonObject {
  return kindOf(value) === 'map'
}

export function isSlice(value: GoValue): value is readonly Json[] {
  return Array.isArray(value)
}

/** reflect.Kind, as far as templates tell them apart. */
export function kindOf(
  value: GoValue,
): 'nil' | 'bool' | 'int' | 'float' | 'string' | 'slice' | 'map' {
  if (value === undefined || value === null) return 'nil'
  if (value instanceof GoFloat) return 'float'
  if (isSlice(value)) return 'slice'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  if (typeof value !== 'number') return 'map'
  return Number.isInteger(value) ? 'int' : 'float'
}

const types = {
  nil: '<nil>',
  bool: 'bool',
  int: 'int64',
  float: 'float64',
  string: 'string',
  slice: '[]interface {}',
  map: 'map[string]interface {}',
} as const

/** As fmt's `%T`. */
export function typeOf(value: GoValue): string {
  return types[kindOf(value)]
}

/** Of an int or a float. */
export function numberOf(value: GoValue): number {
  return value instanceof GoFloat ? value.value : Number(value)
}

/** What `if` takes for true: nothing that is empty, zero or absent. */
export function isTrue(value: GoValue): boolean {
  if (value instanceof GoFloat) return value.value !== 0
  if (isSlice(value)) return value.length > 0
  return isMap(value) ? Object.keys(value).length > 0 : Boolean(value)
}
