import type { Probe } from '../../../api/types.ts'
import type { Clock } from '../../../util/clock.ts'
import { expandWith } from '../../launch/expansion.ts'
import type { HandlerTarget } from '../handler-target.ts'
import { type Dial, dialOf, lookByDial } from './dial.ts'
import { probeExec } from './exec-probe.ts'
import type { ProbeOutcome } from './probe-outcome.ts'

/** How often a look that could not be taken is tried. */
const maxTries = 3

/**
 * Looks once (pkg/kubelet/prober/prober.go), each try with the probe's time-out. `stop` abandons
 * it. Never rejects.
 */
export async function runProbe(
  probe: Probe,
  target: HandlerTarget,
  clock: Clock,
  stop: AbortSignal,
): Promise<ProbeOutcome> {
  const timeoutMs = probe.timeoutSeconds * 1000
  return await tryLook(
    abort => look(probe, target, timeoutMs, abort),
    timeoutMs,
    clock,
    stop,
  )
}

/** As `runProbe`, of a probe that dials. */
export async function runDial(
  dial: Dial,
  timeoutSeconds: number,
  clock: Clock,
  stop: AbortSignal,
): Promise<ProbeOutcome> {
  return await tryLook(
    abort => lookByDial(dial, abort),
    timeoutSeconds * 1000,
    clock,
    stop,
  )
}

type Look = (abort: AbortSignal) => Promise<ProbeOutcome>

async function tryLook(
  look: Look,
  timeoutMs: number,
  clock: Clock,
  stop: AbortSignal,
): Promise<ProbeOutcome> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryOnce(look, timeoutMs, clock, stop)
    if (outcome.outcome !== 'error') return outcome
    if (attempt === maxTries || stop.aborted) return outcome
  }
}

async function tryOnce(
  look: Look,
  timeoutMs: number,
  clock: Clock,
  stop: AbortSignal,
): Promise<ProbeOutcome> {
  const abort = new AbortController()
  const end = (): void => abort.abort()
  const timer = clock.after(timeoutMs, end)
  // Not AbortSignal.any: Node 20 keeps what it makes for as long as its sources.
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    return await look(abort.signal)
  } catch (error) {
    return unknown(error instanceof Error ? error.message : String(error))
  } finally {
    stop.removeEventListener('abort', end)
    timer.cancel()
  }
}

/** What a protocol needs is loaded when the first probe speaks it. */
async function look(
  probe: Probe,
  { container, podIP, isListenedOn, exec: run }: HandlerTarget,
  timeoutMs: number,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
  const { exec, grpc } = probe
  if (exec !== undefined) {
    // Only what stands in `env` itself: no fields, no ConfigMaps (ExpandContainerCommandOnlyStatic).
    const env = new Map(
      container.env.map(({ name, value = '' }) => [name, value]),
    )
    const command = exec.command.map(word => expandWith(word, env))
    return await probeExec(command, run, timeoutMs, abort)
  }
  if (grpc !== undefined) {
    const { probeGrpc } = await import('./grpc-probe.ts')
    return await probeGrpc(podIP, grpc, timeoutMs, abort)
  }
  const dial = dialOf(probe, container, podIP)
  if (dial === undefined)
    return unknown(`missing probe handler for ${container.name}`)
  if (typeof dial === 'string') return unknown(dial)
  if ('tcpSocket' in dial && isListenedOn !== undefined) {
    const { host, port } = dial.tcpSocket
    const { refused } = await import('./tcp-probe.ts')
    if (host === podIP && !isListenedOn(port)) return refused(host, port)
  }
  return await lookByDial(dial, abort)
}

function unknown(message: string): ProbeOutcome {
  return { outcome: 'error', state: 'unknown', message }
}
