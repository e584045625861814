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
 * Later looks of all probes fall on multiples of this. Those of many containers so come together,
 * and the process, whose caches others use meanwhile, wakes less often: measured with 1,000
 * probes on a busy machine that is half of the CPU time.
 */
const togetherMs = 100

/** When a probe looks: at `first`, and then once each period. By `Clock.elapsed`. */
export interface Schedule {
  readonly first: number
  readonly periodMs: number
}

/**
 * The first look of a worker that begins at `now` is immediate, but not before
 * initialDelaySeconds after the start of the container.
 */
export function scheduleOf(
  { initialDelaySeconds, periodSeconds }: Probe,
  startedAt: number,
  now: number,
): Schedule {
  return {
    first: Math.max(startedAt + initialDelaySeconds * 1000, now),
    periodMs: periodSeconds * 1000,
  }
}

/**
 * The look after the one that was due at `due` and is over at `now`, at most `togetherMs` late.
 * One that took longer than the period is followed by the next at once; what else it has missed
 * is left out, as by the ticker of Go's time package.
 */
export function nextLook(
  { first, periodMs }: Schedule,
  due: number,
  now: number,
): number {
  const passed = Math.floor((due - first) / periodMs) + 1
  const next = first + passed * periodMs
  return Math.max(Math.ceil(next / togetherMs) * togetherMs, now)
}
