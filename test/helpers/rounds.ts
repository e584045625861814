import type { Payload } from '../../src/writer/payload.ts'

export const fsGroup = 1234

/** Three keys, two of them nested; each round adds a visible name and removes another. */
export function payloadOf(round: number): Payload {
  const data = Buffer.from(`round ${round}`)
  return new Map(
    ['d/a', 'd/b', `key-${round % 2}`].map(path => [
      path,
      { data, mode: 0o640 },
    ]),
  )
}
