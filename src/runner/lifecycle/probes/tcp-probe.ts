import { connect } from 'node:net'
import { dialError, joinHostPort } from '../dial-error.ts'
import { failure, success, type ProbeOutcome } from './probe-outcome.ts'

/** As where nobody listens. */
export function refused(host: string, port: number): ProbeOutcome {
  const address = joinHostPort(host, port)
  return failure(`dial tcp ${address}: connect: connection refused`)
}

/**
 * Opens a connection, and closes it (pkg/probe/tcp/tcp.go). `abort` is the time-out. Never
 * rejects.
 */
export function probeTcp(
  host: string,
  port: number,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const end = (outcome: ProbeOutcome): void => {
      abort.removeEventListener('abort', tooLate)
      socket.destroy()
      resolve(outcome)
    }
    const tooLate = (): void =>
      end(failure(`dial tcp ${joinHostPort(host, port)}: i/o timeout`))
    abort.addEventListener('abort', tooLate, { once: true })
    socket.once('connect', () => end(success()))
    socket.on('error', error =>
      end(failure(dialError(host, port, error) ?? error.message)),
    )
  })
}
