import type { Probe } from '../../../api/types.ts'
import type { Clock } from '../../../util/clock.ts'
import { expandWith } from '../../launch/expansion.ts'
import type { HandlerTarget } from '../handler-target.ts'
import { probeExec } from './exec-probe.ts'
import { handlerPort } from '../handler-port.ts'
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
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryOnce(probe, target, clock, stop)
    if (outcome.outcome !== 'error') return outcome
    if (attempt === maxTries || stop.aborted) return outcome
  }
}

async function tryOnce(
  probe: Probe,
  target: HandlerTarget,
  clock: Clock,
  stop: AbortSignal,
): Promise<ProbeOutcome> {
  const timeoutMs = probe.timeoutSeconds * 1000
  const abort = new AbortController()
  const end = (): void => abort.abort()
  const timer = clock.after(timeoutMs, end)
  // Not AbortSignal.any: Node 20 keeps what it makes for as long as its sources.
  stop.addEventListener('abort', end, { once: true })
  if (stop.aborted) end()
  try {
    return await look(probe, target, timeoutMs, abort.signal)
  } catch (error) {
    return unknown(error instanceof Error ? error.message : String(error))
  } finally {
    stop.removeEventListener('abort', end)
    timer.cancel()
  }
}

/** What a protocol needs is loaded when the first probe speaks it. */
async function look(
  { exec, httpGet, tcpSocket, grpc }: Probe,
  { container, podIP, isListenedOn, exec: run }: HandlerTarget,
  timeoutMs: number,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
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
  const action = httpGet ?? tcpSocket
  if (action === undefined)
    return unknown(`missing probe handler for ${container.name}`)
  const port = handlerPort(action.port, container)
  if (typeof port === 'string') return unknown(port)
  const host = action.host || podIP
  if (httpGet !== undefined) {
    const { probeHttp } = await import('./http-probe.ts')
    return await probeHttp({ ...httpGet, host, port }, abort)
  }
  const { probeTcp, refused } = await import('./tcp-probe.ts')
  if (host === podIP && isListenedOn?.(port) === false)
    return refused(host, port)
  return await probeTcp(host, port, abort)
}

function unknown(message: string): ProbeOutcome {
  return { outcome: 'error', state: 'unknown', message }
}
