/** Upper bounds in seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

/** A Prometheus histogram that counts before anybody has loaded prom-client. */
export class LatencyHistogram {
  readonly #counts: number[] = bounds.map(() => 0)
  count = 0
  /** Seconds. */
  sum = 0

  observe(seconds: number): void {
    this.count++
    this.sum += seconds
    for (const [i, bound] of bounds.entries())
      if (seconds <= bound) this.#counts[i] = (this.#counts[i] ?? 0) + 1
  }

  /** `le` to the number of observations up to it. */
  get buckets(): readonly (readonly [number | '+Inf', number])[] {
    return [
      ...bounds.map((bound, i) => [bound, this.#counts[i] ?? 0] as const),
      ['+Inf', this.count],
    ]
  }
}
