import type { Ratio, Summary } from './statistics.ts'

export function microseconds(ns: number): string {
  return `${(ns / 1000).toFixed(ns < 10_000 ? 2 : 1)} µs`
}

export function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`
}

export function summaryText(
  { median, p99 }: Summary,
  unit: (value: number) => string,
): string {
  return `${unit(median)} (p99 ${unit(p99)})`
}

export function ratioText({ median, least, most }: Ratio): string {
  const x = (value: number): string => value.toFixed(2)
  return `${x(median)} x (${x(least)} to ${x(most)})`
}
