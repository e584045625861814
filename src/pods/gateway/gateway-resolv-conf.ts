import { parseResolvConf } from '../../linux/resolv-conf.ts'

/** Before a line that is not to be followed there. */
const mark = '#podfs '

/**
 * resolv.conf(5) for a network namespace from which the machine's loopback addresses are not in
 * reach, where its name servers are (127.0.0.53): pasta hands on what is asked of `forward`.
 * Undefined where the machine's will do. Pure.
 */
export function gatewayResolvConf(
  machine: string,
  forward: string,
): string | undefined {
  const { nameservers } = parseResolvConf(machine)
  if (!nameservers.some(isLoopback)) return undefined
  const lines = machine.split('\n').map(line => {
    const [server = ''] = parseResolvConf(line).nameservers
    return isLoopback(server) ? `${mark}${line}` : line
  })
  return [`nameserver ${forward}`, ...lines].join('\n')
}

/** What it was made of, by a podfs before this one; anything else as it is. Pure. */
export function machineResolvConf(text: string): string {
  if (!text.includes(`\n${mark}`)) return text
  const [, ...lines] = text.split('\n')
  return lines
    .map(line => (line.startsWith(mark) ? line.slice(mark.length) : line))
    .join('\n')
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1'
}
