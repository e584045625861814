import { readFileSync } from 'node:fs'

/** Who listens in the network namespace of this process. */
export interface Listening {
  /** Ports at which somebody listens on all addresses. */
  readonly anywhere: ReadonlySet<number>
  /** `ADDRESS:PORT` of IPv4. */
  readonly at: ReadonlySet<string>
}

/** proc(5), /proc/net/tcp and udp: sockets of state 0A (LISTEN), and bound ones of state 07. */
export function listeningSockets(protocol: 'tcp' | 'udp'): Listening {
  const anywhere = new Set<number>()
  const at = new Set<string>()
  const state = protocol === 'tcp' ? '0A' : '07'
  for (const file of [protocol, `${protocol}6`])
    for (const line of linesOf(`/proc/self/net/${file}`)) {
      const [, local = '', , found] = line.trim().split(/\s+/)
      if (found !== state) continue
      const [address = '', port = ''] = local.split(':')
      const number = Number.parseInt(port, 16)
      // One of IPv6 answers for IPv4, too, unless its program has asked it not to.
      if (/^0+$/.test(address)) anywhere.add(number)
      else at.add(`${ipv4Of(address)}:${number}`)
    }
  return { anywhere, at }
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'latin1').split('\n').slice(1)
  } catch {
    // Without IPv6 its files are missing.
    return []
  }
}

/** In the byte order of the machine; of IPv6 what a mapped address has at its end. */
function ipv4Of(hex: string): string {
  const bytes = Buffer.from(hex.slice(-8), 'hex')
  return [...bytes].toReversed().join('.')
}
