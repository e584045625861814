import { parseArgs } from 'node:util'

export interface KillOptions {
  /** How many there are to be. */
  readonly kills: number
  readonly seed: number
  /** Between 0 and 1, the same ones for the same seed. */
  readonly random: () => number
}

/**
 * `--kills KILLS --seed SEED` of the command line. With the same seed come the same kills, as far
 * as the machine is as fast.
 */
export function killOptions(
  defaultKills: number,
  args = process.argv.slice(2),
): KillOptions {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: 'string', default: String(defaultKills) },
      seed: { type: 'string', default: '1' },
    },
  })
  const [kills, seed] = [Number(values.kills), Number(values.seed)]
  for (const [name, value] of Object.entries({ kills, seed }))
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`--${name}: not a whole number of at least 1`)
  return { kills, seed, random: randomNumbers(seed) }
}

/** Mulberry32. */
function randomNumbers(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
