/*
 * Values as JSON, with what JSON has not and podfs's objects have: Maps and bytes. Functions
 * are left out.
 */

type Wire =
  | { readonly $map: readonly (readonly [unknown, unknown])[] }
  | { readonly $bytes: string }

export function toWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toWire)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) {
    const { buffer, byteOffset, byteLength } = value
    const bytes = Buffer.from(buffer, byteOffset, byteLength)
    return { $bytes: bytes.toString('base64') } satisfies Wire
  }
  if (value instanceof Map)
    return {
      $map: [...value].map(([key, item]) => [toWire(key), toWire(item)]),
    }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, toWire(item)]),
  )
}

export function fromWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromWire)
  if (typeof value !== 'object' || value === null) return value
  if ('$bytes' in value) return Buffer.from(String(value.$bytes), 'base64')
  if ('$map' in value)
    return new Map(fromWire(value.$map) as [unknown, unknown][])
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, fromWire(item)]),
  )
}
