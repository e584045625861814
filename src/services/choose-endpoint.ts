import type { Clock } from '../util/clock.ts'

/** A place to which a port of a Service leads. */
export interface Target {
  readonly ip: string
  readonly port: number
  /** See Endpoint. */
  readonly ownNetwork?: true
}

/** So many clients are remembered; the one that was seen least lately is forgotten first. */
const mostClients = 10_000

/** Goes round among the places, or where the client was last. */
export class EndpointChooser {
  readonly #clock: Clock
  readonly #last = new Map<string, { target: Target; until: number }>()
  #targets: readonly Target[] = []
  #affinityMs = 0
  #next = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(targets: readonly Target[], affinitySeconds: number | undefined): void {
    this.#targets = targets
    this.#affinityMs = (affinitySeconds ?? 0) * 1000
    for (const [client, { target }] of this.#last)
      if (!this.has(target)) this.#last.delete(client)
  }

  has({ ip, port }: Target): boolean {
    return this.#targets.some(each => each.ip === ip && each.port === port)
  }

  /** All places, in the order in which they are to be tried. */
  order(client: string): readonly Target[] {
    const targets = this.#targets
    if (targets.length === 0) return []
    const start = this.#next % targets.length
    this.#next = start + 1
    const around = [...targets.slice(start), ...targets.slice(0, start)]
    const last = this.#last.get(client)
    if (last === undefined || last.until < this.#clock.elapsed()) return around
    return [last.target, ...around.filter(each => each !== last.target)]
  }

  /** The client has come there. */
  note(client: string, target: Target): void {
    if (this.#affinityMs === 0) return
    this.#last.delete(client)
    this.#last.set(client, {
      target,
      until: this.#clock.elapsed() + this.#affinityMs,
    })
    const [oldest] = this.#last.keys()
    if (this.#last.size > mostClients && oldest !== undefined)
      this.#last.delete(oldest)
  }
}
