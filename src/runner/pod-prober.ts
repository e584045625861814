import type { Container } from '../api/types.ts'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import type { ChangeSignal } from './lifecycle/change-signal.ts'
import { recordVerdict } from './lifecycle/container-record.ts'
import type { Instance } from './lifecycle/instance.ts'
import { Alarm } from './lifecycle/probes/alarm.ts'
import type { Lookout } from './lifecycle/probes/lookout.ts'
import {
  InstanceProbes,
  type ResultRuns,
} from './lifecycle/probes/instance-probes.ts'
import { probeKinds, stepFrom } from './lifecycle/probes/probe-state.ts'
import type { PodState } from './pod-state.ts'

/** Probes the containers of a Pod while they run, and writes down what comes of it. */
export class PodProber {
  readonly #state: PodState
  readonly #clock: Clock
  readonly #changes: ChangeSignal
  readonly #lookout: Lookout | undefined
  readonly #active = new Set<InstanceProbes>()
  readonly #runs = new Map<string, ResultRuns>()
  readonly #alarm: Alarm
  #step: number | undefined

  constructor(
    state: PodState,
    clock: Clock,
    changes: ChangeSignal,
    lookout?: Lookout,
  ) {
    this.#state = state
    this.#clock = clock
    this.#alarm = new Alarm(clock)
    this.#changes = changes
    this.#lookout = lookout
  }

  /** Until the instance has gone. `startedAt` is of `Clock.elapsed`. */
  begin(
    container: Container,
    instance: Instance,
    containerID: string,
    startedAt: number,
  ): void {
    if (!probeKinds.some(kind => container[`${kind}Probe`] !== undefined))
      return
    const { name } = container
    const runs: ResultRuns = this.#runs.get(name) ?? new Map()
    this.#runs.set(name, runs)
    this.#step ??= stepFrom(this.#clock.elapsed())
    const probes = new InstanceProbes({
      target: this.#state.target(name, instance.container),
      clock: this.#clock,
      runs,
      startedAt,
      alarm: this.#alarm,
      step: this.#step,
      ...(this.#lookout && { lookout: this.#lookout }),
      onEvent: ({ reason, message }) => this.#state.warn(reason, message, name),
      onVerdict: (kind, verdict) => {
        this.#state.update(name, record =>
          recordVerdict(record, containerID, kind, verdict),
        )
        this.#state.publish()
        this.#changes.notify()
      },
    })
    this.#active.add(probes)
    probes.begin()
    inBackground(this.#endWith(instance, probes))
  }

  async #endWith(instance: Instance, probes: InstanceProbes): Promise<void> {
    await instance.gone
    probes.end()
    this.#active.delete(probes)
  }

  /** The Pod is to go: only whether its containers are ready still counts. */
  stopKilling(): void {
    for (const probes of this.#active) probes.stopKilling()
  }
}
