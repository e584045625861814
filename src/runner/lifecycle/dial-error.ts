/** `HOST:PORT`, an IPv6 address in brackets (Go's net.JoinHostPort). */
export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The words of Go's syscall.Errno for what connect(2) answers. */
const connectErrors: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'cannot assign requested address',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
}

/** Why no connection was made, as Go's net package says it; undefined where it was made. */
export function dialError(
  host: string,
  port: number,
  thrown: NodeJS.ErrnoException,
): string | undefined {
  // A name with several addresses: Go, too, tells of the first.
  const error =
    thrown instanceof AggregateError
      ? (thrown.errors[0] as NodeJS.ErrnoException)
      : thrown
  const {
    code = '',
    syscall,
    address = host,
  } = error as typeof error & {
    readonly address?: string
  }
  if (syscall === 'getaddrinfo')
    return `dial tcp: lookup ${host}: ${code === 'ENOTFOUND' ? 'no such host' : code}`
  if (syscall !== 'connect') return undefined
  const why = connectErrors[code] ?? code
  return `dial tcp ${joinHostPort(address, port)}: connect: ${why}`
}
