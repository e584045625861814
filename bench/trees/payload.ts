import type { Payload } from '../../src/writer/payload.ts'

/** Keys `key-0`.. of one size; every file begins with the name of the generation. */
export function makePayload(options: {
  readonly keys: number
  readonly bytes?: number
  readonly generation?: number
}): Payload {
  const { keys, bytes = 1024, generation = 0 } = options
  const text = generationText(generation)
  const data = Buffer.from(text.padEnd(bytes, '.'))
  return new Map(
    Array.from({ length: keys }, (_, key) => [
      keyName(key),
      { data, mode: 0o644 },
    ]),
  )
}

export function keyName(key: number): string {
  return `key-${key}`
}

export function generationText(generation: number): string {
  return `generation ${generation};`
}
