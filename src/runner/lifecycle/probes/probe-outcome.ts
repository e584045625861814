import type { ProbeKind } from './probe-state.ts'

/** What one look of a probe has found. */
export type ProbeOutcome =
  | { readonly outcome: 'success' }
  /** A success of which an event tells. */
  | { readonly outcome: 'warning'; readonly output: string }
  | { readonly outcome: 'failure'; readonly output: string }
  /** It could not look, and does not count; `state` is what the event calls that. */
  | {
      readonly outcome: 'error'
      readonly state: 'unknown' | 'failure'
      readonly message: string
    }

export function success(): ProbeOutcome {
  return { outcome: 'success' }
}

export function failure(output: string): ProbeOutcome {
  return { outcome: 'failure', output }
}

export interface ProbeEvent {
  readonly reason: 'Unhealthy' | 'ProbeWarning'
  readonly message: string
}

/** The Warning event that tells of it (pkg/kubelet/prober/prober.go), the output verbatim. */
export function probeEvent(
  kind: ProbeKind,
  outcome: ProbeOutcome,
): ProbeEvent | undefined {
  const probe = `${kind.charAt(0).toUpperCase()}${kind.slice(1)} probe`
  const { outcome: what } = outcome
  if (what === 'success') return undefined
  if (what === 'warning')
    return {
      reason: 'ProbeWarning',
      message: `${probe} warning: ${outcome.output}`,
    }
  return {
    reason: 'Unhealthy',
    message:
      what === 'failure'
        ? `${probe} failed: ${outcome.output}`
        : `${probe} errored and resulted in ${outcome.state} state: ${outcome.message}`,
  }
}
