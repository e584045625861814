import type { Bench } from './bench.ts'
import type { Rounds } from './statistics.ts'

/** One line of the table in docs/performance.md. */
export interface Line {
  readonly what: string
  readonly against: string
  readonly target: string
  readonly figure: string
  /** undefined: there is no target, or nothing was measured. */
  readonly met?: boolean
}

/** Latencies of the same call at several places, for the first picture; nanoseconds. */
export interface Distribution {
  readonly title: string
  readonly series: readonly { readonly name: string; readonly rounds: Rounds }[]
}

/** How something grows, for the second picture. */
export interface Curve {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

export interface Result {
  readonly lines: readonly Line[]
  readonly distributions?: readonly Distribution[]
  readonly curves?: readonly Curve[]
}

export interface Row {
  /** For --only. */
  readonly name: string
  measure(bench: Bench): Promise<Result>
}

/** A line for what this machine cannot measure; said aloud, too. */
export function skipped(
  what: string,
  against: string,
  target: string,
  reason: string,
): Line {
  console.log(`SKIPPED: ${what}: ${reason}`)
  return { what, against, target, figure: `skipped: ${reason}` }
}
