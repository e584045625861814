import type { Json, JsonObject } from '../../api/json.ts'
import { parseQuantity } from '../../api/quantity.ts'
import { Failure } from '../../util/failure.ts'
import type { FieldPath } from './jsonpath.ts'

/**
 * In the order of what is at the path, objects without it first: kubectl's --sort-by
 * (pkg/cmd/get/sorter.go). Quantities count as such, and numbers in a text as numbers. Throws a
 * Failure when no object has it, or when it has no order.
 */
export function sortObjects<T>(
  entries: readonly T[],
  path: FieldPath,
  objectOf: (entry: T) => JsonObject,
): readonly T[] {
  const keyed = entries.map(entry => ({
    entry,
    value: path.find(objectOf(entry))[0] ?? null,
  }))
  if (keyed.length > 0 && keyed.every(({ value }) => value === null))
    throw new Failure(
      'failed',
      `couldn't find any field with path "${path.text}" in the list of objects`,
    )
  for (const { value } of keyed)
    if (typeof value === 'object' && value !== null)
      throw new Failure('failed', `${path.text} is of a type without an order`)
  return keyed
    .toSorted((a, b) => compare(a.value, b.value))
    .map(({ entry }) => entry)
}

function compare(a: Json, b: Json): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null)
  if (typeof a !== 'string' || typeof b !== 'string')
    return a < b ? -1 : a > b ? 1 : 0
  const [one, other] = [parseQuantity(a), parseQuantity(b)]
  if (one !== undefined && other !== undefined)
    return one < other ? -1 : one > other ? 1 : 0
  return compareNaturally(a, b)
}

/** `web-9` before `web-10`: github.com/fvbommel/sortorder. */
function compareNaturally(a: string, b: string): number {
  const parts = (text: string): readonly string[] =>
    text.match(/\d+|\D+/g) ?? []
  const others = parts(b)
  for (const [i, part] of parts(a).entries()) {
    const other = others[i]
    if (other === undefined) return 1
    if (part === other) continue
    if (/^\d/.test(part) && /^\d/.test(other)) {
      const difference = BigInt(part) - BigInt(other)
      if (difference !== 0n) return difference < 0n ? -1 : 1
      return part.length - other.length
    }
    return part < other ? -1 : 1
  }
  return parts(a).length - others.length
}
