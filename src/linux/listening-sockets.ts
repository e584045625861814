import { textOf } from '../util/text-of.ts'

/*
 * Who listens where, as the kernel tells: proc(5), /proc/net/tcp and the like.
 */

/** Who listens in the network namespace of this process. */
export interface Listening {
  /** Ports at which somebody listens on all addresses. */
  readonly anywhere: ReadonlySet<number>
  /** `ADDRESS:PORT` of IPv4. */
  readonly at: ReadonlySet<string>
}

/** TCP_LISTEN and TCP_CLOSE (include/net/tcp_states.h); a bound socket of UDP has the latter. */
const states = { tcp: '0A', udp: '07' } as const

export function listeningSockets(protocol: 'tcp' | 'udp'): Listening {
  const anywhere = new Set<number>()
  const at = new Set<string>()
  for (const file of [protocol, `${protocol}6`])
    for (const { address, port } of socketsIn(
      readTable('self', file),
      states[protocol],
    ))
      // One of IPv6 answers for IPv4, too, unless its program has asked it not to.
      if (/^0+$/.test(address)) anywhere.add(port)
      else at.add(`${ipv4Of(address)}:${port}`)
  return { anywhere, at }
}

/**
 * Whether a TCP server listens at a port in the network namespace of a process, at another address
 * than localhost. False when the process has gone.
 */
export function isListenedOn(pid: number, port: number): boolean {
  return ['tcp', 'tcp6'].some(file =>
    listeningPorts(readTable(pid, file)).includes(port),
  )
}

/** Pure: those of a table of TCP's at which a server listens, at another address than localhost. */
export function listeningPorts(table: string): number[] {
  return socketsIn(table, states.tcp)
    .filter(({ address }) => !isLocalhost(address))
    .map(({ port }) => port)
}

interface LocalSocket {
  /** Hexadecimal, in words of 32 bits in the byte order of the machine. */
  readonly address: string
  readonly port: number
}

function socketsIn(table: string, state: string): readonly LocalSocket[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local = '', , found] = line.trim().split(/\s+/)
      const [address = '', port = ''] = local.split(':')
      return found === state ? { address, port: Number.parseInt(port, 16) } : []
    })
}

/** Empty of a process that has gone, and of what the kernel does not have (IPv6). */
function readTable(process: number | 'self', file: string): string {
  return textOf(`/proc/${process}/net/${file}`) ?? ''
}

/** Of IPv6 what a mapped address has at its end. */
function ipv4Of(address: string): string {
  const bytes = Buffer.from(address.slice(-8), 'hex')
  return [...bytes].toReversed().join('.')
}

/** 127.0.0.1, ::1 and ::ffff:127.0.0.1. */
function isLocalhost(address: string): boolean {
  return (
    /^[0-9A-F]{6}7F$/.test(address) ||
    address === '00000000000000000000000001000000' ||
    /^0{16}FFFF0000[0-9A-F]{6}7F$/.test(address)
  )
}
