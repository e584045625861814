import type { Container, Probe } from '../../../api/types.ts'
import type { Clock } from '../../../util/clock.ts'
import { inBackground } from '../../../util/in-background.ts'
import type { InitialState } from '../container-record.ts'
import type { Alarm } from './alarm.ts'
import { oneAtATime } from './exec-probe.ts'
import {
  dialForOthers,
  dueAgain,
  lookAt,
  type Look,
  type Lookout,
} from './lookout.ts'
import {
  probeEvent,
  type ProbeEvent,
  type ProbeOutcome,
} from './probe-outcome.ts'
import {
  countResult,
  firstLook,
  lookAfterOthers,
  noResults,
  type ProbeKind,
  type ResultRun,
  type Verdict,
} from './probe-state.ts'
import type { HandlerTarget } from '../handler-target.ts'
import { runProbe } from './run-probe.ts'

/** Of one container; outlives its instances. */
export type ResultRuns = Map<ProbeKind, ResultRun>

export interface InstanceProbesOptions {
  readonly target: HandlerTarget
  readonly clock: Clock
  readonly runs: ResultRuns
  /** When the instance was started, by `Clock.elapsed`. */
  readonly startedAt: number
  /** Of the Pod. */
  readonly alarm: Alarm
  /** Of the Pod, see `stepFrom`. */
  readonly step: number
  /** Absent: nobody else looks. */
  readonly lookout?: Lookout
  readonly onEvent: (event: ProbeEvent) => void
  /** Something has changed; a verdict that repeats itself is not told again. */
  readonly onVerdict: (kind: ProbeKind, verdict: Verdict) => void
}

/** What an instance is before its probes have looked. */
export function initialState({
  startupProbe,
  readinessProbe,
}: Container): InitialState {
  return {
    started: startupProbe === undefined,
    ready: readinessProbe === undefined,
  }
}

/**
 * The probes of one instance of a container, a worker for each (docs/kubernetes.md#probes). While
 * the startup probe has not succeeded the others do not look.
 */
export class InstanceProbes {
  readonly #options: InstanceProbesOptions
  /** Of liveness and startup probes, which end something. */
  readonly #mayKill = new AbortController()
  readonly #end = new AbortController()
  #isStarted = false

  constructor(options: InstanceProbesOptions) {
    this.#options = options
  }

  begin(): void {
    const { startupProbe } = this.#options.target.container
    if (startupProbe === undefined) this.#started()
    else this.#work('startup', startupProbe, this.#mayKill.signal)
  }

  /**
   * The Pod is to go: nothing is killed for a probe any more, and what has not started is asked
   * whether it is ready as if it had (StopLivenessAndStartup, pkg/kubelet/prober/).
   */
  stopKilling(): void {
    this.#mayKill.abort()
    if (!this.#isStarted) this.#started()
  }

  /** The instance has gone. */
  end(): void {
    this.#mayKill.abort()
    this.#end.abort()
  }

  #started(): void {
    this.#isStarted = true
    const { livenessProbe, readinessProbe } = this.#options.target.container
    if (readinessProbe !== undefined)
      this.#work('readiness', readinessProbe, this.#end.signal)
    if (livenessProbe !== undefined && !this.#mayKill.signal.aborted)
      this.#work('liveness', livenessProbe, this.#mayKill.signal)
  }

  #work(kind: ProbeKind, probe: Probe, stop: AbortSignal): void {
    inBackground(this.#run(kind, probe, stop))
  }

  async #run(kind: ProbeKind, probe: Probe, stop: AbortSignal): Promise<void> {
    const { clock, runs, startedAt, step } = this.#options
    const { onEvent, onVerdict } = this.#options
    const all = this.#options.target
    const target = { ...all, exec: oneAtATime(all.exec) }
    let due = firstLook(probe, startedAt, clock.elapsed())
    let told: Verdict | undefined = initialVerdicts[kind]
    let isWell = false
    for (;;) {
      const look = await this.#look(probe, target, due, isWell, stop)
      if (look === undefined) return
      const { outcome } = look
      const event = probeEvent(kind, outcome)
      if (event !== undefined) onEvent(event)
      isWell = false
      if (outcome.outcome !== 'error') {
        const counted = countResult(
          kind,
          probe,
          runs.get(kind) ?? noResults,
          outcome.outcome === 'failure' ? 'failure' : 'success',
        )
        runs.set(kind, counted.run)
        const { verdict = told, onHold } = counted
        if (verdict !== told && verdict !== undefined) onVerdict(kind, verdict)
        told = verdict
        if (kind === 'startup' && verdict === 'success') this.#started()
        if (onHold) return
        isWell = counted.verdict === 'success'
      }
      due = await dueAgain(probe, step, look, clock, stop)
    }
  }

  /**
   * The next look that may count for something: of one that is well, so that another success changes
   * nothing, others may take those before it. Undefined: `stop` has aborted.
   */
  async #look(
    probe: Probe,
    target: HandlerTarget,
    due: number,
    isWell: boolean,
    stop: AbortSignal,
  ): Promise<Look | undefined> {
    const { clock, alarm, step, lookout } = this.#options
    const run = (): Promise<ProbeOutcome> =>
      runProbe(probe, target, clock, stop)
    const { periodSeconds, timeoutSeconds } = probe
    const dial = isWell ? dialForOthers(probe, target) : undefined
    const others =
      dial &&
      lookout?.({ dial, periodSeconds, timeoutSeconds, due, step }, stop)
    if (others === undefined) return await lookAt(due, run, alarm, stop)
    const look = await others
    if (look !== undefined) return look
    const next = lookAfterOthers(probe, step, due, clock.elapsed())
    return await lookAt(next, run, alarm, stop)
  }
}

/** What holds until the first verdict. */
const initialVerdicts: Readonly<Record<ProbeKind, Verdict | undefined>> = {
  startup: undefined,
  liveness: 'success',
  readiness: 'failure',
}
