import { goQuote } from '../../api/go-quote.ts'
import type { Container } from '../../api/types.ts'

/**
 * The number of a port that a probe or a hook names (ResolveContainerPort, pkg/probe/util.go), or why there
 * is none.
 */
export function handlerPort(
  port: number | string,
  { ports = [] }: Container,
): number | string {
  const number = typeof port === 'number' ? port : named(port, ports)
  if (number === undefined)
    return `strconv.Atoi: parsing ${goQuote(String(port))}: invalid syntax`
  return number > 0 && number < 65_536
    ? number
    : `invalid port number: ${number}`
}

function named(
  name: string,
  ports: NonNullable<Container['ports']>,
): number | undefined {
  const found = ports.find(port => port.name === name)
  if (found !== undefined) return found.containerPort ?? 0
  return /^[+-]?\d+$/.test(name) ? Number(name) : undefined
}
