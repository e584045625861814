import type { Container, Probe } from '../../../api/types.ts'
import { handlerPort } from '../handler-port.ts'
import type { HttpGet } from '../http-get.ts'
import type { ProbeOutcome } from './probe-outcome.ts'

/**
 * A look for which the network of this machine is enough, with names and defaults filled in; plain
 * data.
 */
export type Dial =
  | { readonly httpGet: HttpGet }
  | { readonly tcpSocket: { readonly host: string; readonly port: number } }

/** What a probe dials, or why it cannot; undefined: it does not look that way. */
export function dialOf(
  { httpGet, tcpSocket }: Probe,
  container: Container,
  podIP: string,
): Dial | string | undefined {
  const action = httpGet ?? tcpSocket
  if (action === undefined) return undefined
  const port = handlerPort(action.port, container)
  if (typeof port === 'string') return port
  const host = action.host || podIP
  return httpGet === undefined
    ? { tcpSocket: { host, port } }
    : { httpGet: { ...httpGet, host, port } }
}

/** `abort` is the time-out. Never rejects. What a protocol needs is loaded with its first look. */
export async function lookByDial(
  dial: Dial,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
  if ('httpGet' in dial) {
    const { probeHttp } = await import('./http-probe.ts')
    return await probeHttp(dial.httpGet, abort)
  }
  const { probeTcp } = await import('./tcp-probe.ts')
  const { host, port } = dial.tcpSocket
  return await probeTcp(host, port, abort)
}
