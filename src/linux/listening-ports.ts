import { readFileSync } from 'node:fs'

/**
 * Whether a TCP server listens at a port in the network namespace of a process, at another address
 * than localhost (proc(5), /proc/net/tcp). False when the process has gone.
 */
export function isListenedOn(pid: number, port: number): boolean {
  return ['tcp', 'tcp6'].some(file => {
    try {
      const table = readFileSync(`/proc/${pid}/net/${file}`, 'utf8')
      return listeningPorts(table).includes(port)
    } catch {
      return false
    }
  })
}

/** TCP_LISTEN (include/net/tcp_states.h). */
const listen = '0A'

/** Pure: those of a table. */
export function listeningPorts(table: string): number[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local = '', , state] = line.trim().split(/\s+/)
      const [address = '', port = ''] = local.split(':')
      return state === listen && !isLocalhost(address)
        ? [Number.parseInt(port, 16)]
        : []
    })
}

/** Words of 32 bits, in the machine's order: 127.0.0.1, ::1 and ::ffff:127.0.0.1. */
function isLocalhost(address: string): boolean {
  return (
    /^[0-9A-F]{6}7F$/.test(address) ||
    address === '00000000000000000000000001000000' ||
    /^0{16}FFFF0000[0-9A-F]{6}7F$/.test(address)
  )
}
