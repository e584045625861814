import type { Probe } from '../../../api/types.ts'
import type { Clock } from '../../../util/clock.ts'
import type { HandlerTarget } from '../handler-target.ts'
import type { Alarm } from './alarm.ts'
import { type Dial, dialOf } from './dial.ts'
import type { ProbeOutcome } from './probe-outcome.ts'
import { nextLook } from './probe-state.ts'
import { runDial } from './run-probe.ts'

/*
 * A probe that is well changes nothing each time it looks. So somebody else can look meanwhile, for
 * whom that is cheaper, and say what the first look has found that was not simply well. What it
 * counts for is decided where it is always decided (InstanceProbes).
 */

/** A probe that is well; plain data. */
export interface WellProbe {
  readonly dial: Dial
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  /** The moment of its next look, by `Clock.elapsed`. */
  readonly due: number
  /** As for `nextLook`. */
  readonly step: number
}

export interface Look {
  /** When it was due, by `Clock.elapsed`. */
  readonly moment: number
  readonly outcome: ProbeOutcome
}

/**
 * Looks from `due` on; undefined: nobody does. Resolves with the first look that has not simply
 * succeeded, and with undefined when nobody looks any longer, or `stop` aborts. Never rejects.
 */
export type Lookout = (
  probe: WellProbe,
  stop: AbortSignal,
) => Promise<Look | undefined> | undefined

/** Undefined: only who holds the container can look. */
export function dialForOthers(
  probe: Probe,
  { container, podIP, isListenedOn }: HandlerTarget,
): Dial | undefined {
  const dial = dialOf(probe, container, podIP)
  if (dial === undefined || typeof dial === 'string') return undefined
  if ('tcpSocket' in dial && isListenedOn !== undefined) return undefined
  return dial
}

/** What a Lookout promises, done in this process. */
export async function lookWhileWell(
  probe: WellProbe,
  { clock, alarm }: { readonly clock: Clock; readonly alarm: Alarm },
  stop: AbortSignal,
): Promise<Look | undefined> {
  const { dial, timeoutSeconds, step } = probe
  const run = (): Promise<ProbeOutcome> =>
    runDial(dial, timeoutSeconds, clock, stop)
  let { due } = probe
  for (;;) {
    const look = await lookAt(due, run, alarm, stop)
    if (look?.outcome.outcome !== 'success') return look
    due = await dueAgain(probe, step, look, clock, stop)
  }
}

/** Undefined: `stop` has aborted. */
export async function lookAt(
  moment: number,
  run: () => Promise<ProbeOutcome>,
  alarm: Alarm,
  stop: AbortSignal,
): Promise<Look | undefined> {
  await alarm.wait(moment, stop)
  if (stop.aborted) return undefined
  const outcome = await run()
  return stop.aborted ? undefined : { moment, outcome }
}

/** The moment of the look after this one, which is over. */
export async function dueAgain(
  probe: Pick<Probe, 'periodSeconds'>,
  step: number,
  { moment, outcome }: Look,
  clock: Clock,
  stop: AbortSignal,
): Promise<number> {
  // The timer of the time-out, though cancelled, would wake the process (Node looks anew for the
  // one that is next only when one has fired), by then with cold caches.
  await clock.sleep(0, stop).catch(() => undefined)
  const isWell = outcome.outcome === 'success'
  return nextLook(probe, step, moment, clock.elapsed(), isWell)
}
