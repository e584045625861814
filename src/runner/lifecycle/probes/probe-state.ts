import type { Probe } from '../../../api/types.ts'

export const probeKinds = ['startup', 'liveness', 'readiness'] as const
export type ProbeKind = (typeof probeKinds)[number]

export type Verdict = 'success' | 'failure'

/** How often in a row a probe has given the same result. */
export interface ResultRun {
  readonly result?: Verdict
  readonly length: number
}

export const noResults: ResultRun = { length: 0 }

/** What one more result amounts to. */
export interface Counted {
  readonly run: ResultRun
  /** Absent: below its threshold, nothing changes. */
  readonly verdict?: Verdict
  /** No further look at this instance of the container. */
  readonly onHold: boolean
}

/**
 * Counts one definite result (doProbe, pkg/kubelet/prober/worker.go; docs/kubernetes.md#probes).
 * An equal one in a row adds to the run, another one begins a new run; at the threshold it is
 * the verdict. After any verdict of a startup probe, and a liveness probe's failure, there is
 * nothing more to find out, and the count begins anew. Nothing else resets it, not even another
 * instance of the container.
 */
export function countResult(
  kind: ProbeKind,
  probe: Probe,
  { result, length }: ResultRun,
  next: Verdict,
): Counted {
  const run = { result: next, length: result === next ? length + 1 : 1 }
  const { failureThreshold, successThreshold } = probe
  const threshold = next === 'failure' ? failureThreshold : successThreshold
  if (run.length < threshold) return { run, onHold: false }
  const onHold =
    kind === 'startup' || (kind === 'liveness' && next === 'failure')
  return {
    run: onHold ? { result: next, length: 0 } : run,
    verdict: next,
    onHold,
  }
}

/**
 * The first look of a worker that begins at `now`, by `Clock.elapsed`: immediate, but not before
 * initialDelaySeconds after the start of the container.
 */
export function firstLook(
  { initialDelaySeconds }: Probe,
  startedAt: number,
  now: number,
): number {
  return Math.max(startedAt + initialDelaySeconds * 1000, now)
}

/**
 * Later looks of all probes fall on multiples of this. What a look costs is mostly that the
 * process wakes, and has to fetch from memory what others have had in the caches meanwhile:
 * those that come together share it.
 */
const togetherMs = 100

/** So much of a period a look may be late to come into step. */
const maxDelay = 0.1

/** The step of a Pod's probes: looks of equal periods come at the same moments after this. */
export function stepFrom(now: number): number {
  return inStep(now)
}

/**
 * The moment at which the look after the one of `moment` falls due, when that is over at `now`;
 * it is in the past where the next look is to be at once: one took longer than the period, and
 * what else it has missed is left out, as by the ticker of Go's time package.
 *
 * A kubelet's workers of a Pod begin together and so stay in step. Here a container's first look
 * is when it starts, so a probe that is well comes a tenth of a period later each time until it
 * is in step with the others. One that is not is never kept waiting.
 */
export function nextLook(
  { periodSeconds }: Pick<Probe, 'periodSeconds'>,
  step: number,
  moment: number,
  now: number,
  isWell: boolean,
): number {
  const periodMs = periodSeconds * 1000
  const from = inStep(moment)
  const passed = Math.max(Math.floor((now - from) / periodMs), 1)
  const next = from + passed * periodMs
  if (!isWell || next <= now) return next
  const behind = (((step - next) % periodMs) + periodMs) % periodMs
  return next + Math.min(behind, periodMs * maxDelay)
}

/**
 * The moment of the next look, at `now`, of a probe that somebody else has looked after who is gone.
 * `due` was the first look of theirs, and all of them were well as far as is known. One whose
 * time-out has not passed may have been under way, and is taken again: it has counted for nothing.
 */
export function lookAfterOthers(
  probe: Pick<Probe, 'periodSeconds' | 'timeoutSeconds'>,
  step: number,
  due: number,
  now: number,
): number {
  const periodMs = probe.periodSeconds * 1000
  const over = now - probe.timeoutSeconds * 1000
  let moment = due
  while (moment <= over) {
    const next = nextLook(probe, step, moment, moment, true)
    // One that is in step stays in it.
    const isInStep = next - moment === periodMs
    const more = isInStep ? Math.floor((over - moment) / periodMs) : 0
    moment = next + more * periodMs
  }
  return moment
}

function inStep(moment: number): number {
  return Math.ceil(moment / togetherMs) * togetherMs
}
