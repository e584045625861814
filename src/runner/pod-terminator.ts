import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { GracePeriod } from './lifecycle/grace-period.ts'
import type { Instance } from './lifecycle/instance.ts'
import type { HookResult } from './lifecycle/run-hook.ts'
import type { PodState } from './pod-state.ts'
import {
  deletionGraceSeconds,
  stopSignalOf,
  terminateContainer,
} from './lifecycle/termination.ts'
import { terminatesAfter } from './lifecycle/termination-order.ts'

/** Ends containers, and shortens the grace period of those that are ending. */
export class PodTerminator {
  readonly #state: PodState
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #active = new Set<GracePeriod>()
  #limitMs = Infinity

  constructor(state: PodState, clock: Clock, logger: Logger) {
    this.#state = state
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * The Pod is deleted: no termination, begun or to come, takes longer than this. Without a number
   * it is the Pod's own grace period.
   */
  limit(gracePeriodSeconds: number | undefined): void {
    const seconds = gracePeriodSeconds ?? deletionGraceSeconds(this.#state.pod)
    const ms = Math.max(0, seconds * 1000)
    this.#limitMs = Math.min(this.#limitMs, ms)
    for (const grace of this.#active) grace.shorten(ms)
  }

  /**
   * Resolves when all of them have gone. They end side by side, with one grace period; only
   * a sidecar's SIGTERM waits for its turn. `reason` is what the Killing events say;
   * `gracePeriodSeconds` takes the place of the Pod's, unless the Pod is being deleted.
   */
  async terminate(
    instances: ReadonlyMap<string, Instance>,
    {
      reason,
      gracePeriodSeconds,
    }: {
      readonly reason?: string
      readonly gracePeriodSeconds?: number | undefined
    } = {},
  ): Promise<void> {
    const grace = this.#gracePeriod(gracePeriodSeconds)
    this.#active.add(grace)
    // A copy: instances leave the caller's map as they end.
    const ending = new Map(instances)
    await Promise.all(
      [...ending].map(([name, instance]) => {
        this.#state.tell(
          'Killing',
          reason ?? `Stopping container ${name}`,
          name,
        )
        const before = terminatesAfter(this.#state.pod, name)
        const container = this.#state.container(name)
        return terminateContainer({
          container: instance.container,
          gone: instance.gone,
          preStop: container.lifecycle?.preStop,
          stopSignal: stopSignalOf(container),
          target: this.#state.target(name, instance.container),
          turn: Promise.all(before.map(other => goneOf(ending, other))),
          grace,
          clock: this.#clock,
          onPreStop: result => this.#notePreStop(name, result),
        })
      }),
    )
    this.#active.delete(grace)
  }

  #notePreStop(container: string, result: HookResult): void {
    this.#state.tellFallback(container, result)
    if (result.outcome !== 'failed') return
    const detail = result.message
    this.#logger.warn({ container, detail }, 'preStop hook failed')
    this.#state.warn('FailedPreStopHook', 'PreStopHook failed', container)
  }

  /** Only a deletion has a floor; whatever ends for another reason has what the Pod says. */
  #gracePeriod(own: number | undefined): GracePeriod {
    const { pod } = this.#state
    const isDeletion = this.#limitMs < Infinity
    const seconds = isDeletion
      ? deletionGraceSeconds(pod)
      : (own ?? pod.spec.terminationGracePeriodSeconds)
    const grace = new GracePeriod(this.#clock, seconds * 1000)
    if (isDeletion) grace.shorten(this.#limitMs)
    return grace
  }
}

/** At once where it does not run. */
async function goneOf(
  instances: ReadonlyMap<string, Instance>,
  name: string,
): Promise<void> {
  await instances.get(name)?.gone
}
