/** Values of JSON, and steps into objects of which only the server knows the shape. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

export type JsonObject = { readonly [key: string]: Json }

/** An object in an object; an absent one is empty. */
export function part(object: JsonObject, key: string): JsonObject {
  return (object[key] ?? {}) as JsonObject
}

/** A list of objects in an object; an absent one is empty. */
export function items(object: JsonObject, key: string): readonly JsonObject[] {
  return (object[key] ?? []) as readonly JsonObject[]
}

/** A scalar as text; an absent one is ''. */
export function text(value: Json | undefined): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** metadata.name. */
export function nameOf(object: JsonObject): string {
  return text(part(object, 'metadata')['name'])
}
