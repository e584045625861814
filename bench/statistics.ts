/** Samples of one thing, of all rounds, in the unit of the caller. */
export interface Summary {
  readonly median: number
  readonly p99: number
  readonly count: number
}

/** One side of an A B A B comparison: the samples of each round. */
export type Rounds = readonly (readonly number[])[]

export interface Ratio {
  /** The median over the rounds of median(a) / median(b). */
  readonly median: number
  readonly least: number
  readonly most: number
}

export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const index = Math.min(Math.floor(sorted.length * share), sorted.length - 1)
  return sorted[index] ?? Number.NaN
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

export function summarize(rounds: Rounds): Summary {
  const samples = rounds.flat()
  return {
    median: median(samples),
    p99: quantile(samples, 0.99),
    count: samples.length,
  }
}

/** Rounds are compared with their neighbours: a machine that slows down slows both sides. */
export function ratioOf(a: Rounds, b: Rounds): Ratio {
  const ratios = a.map((round, index) => median(round) / median(b[index] ?? []))
  return {
    median: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
  }
}

/** A B A B: each side once per round, in turn. */
export async function alternate<Side extends string>(
  rounds: number,
  sides: Readonly<Record<Side, () => Promise<readonly number[]>>>,
): Promise<Record<Side, Rounds>> {
  const names = Object.keys(sides) as Side[]
  const results = Object.fromEntries(
    names.map(name => [name, [] as (readonly number[])[]]),
  ) as Record<Side, (readonly number[])[]>
  for (let round = 0; round < rounds; round++)
    for (const name of names) results[name].push(await sides[name]())
  return results
}
