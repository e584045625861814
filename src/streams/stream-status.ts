import type { StreamsEnd } from './container-streams.ts'

/** The part of a Status of Kubernetes that is said at the end of a remote command. */
interface Status {
  readonly metadata: object
  readonly status: 'Success' | 'Failure'
  readonly message?: string
  readonly reason?: string
  readonly details?: {
    readonly causes: readonly {
      readonly reason?: string
      readonly message: string
    }[]
  }
  readonly code?: number
}

const exitCodeReason = 'NonZeroExitCode'
const exitCodeCause = 'ExitCode'

/** As a kubelet says it (cri-streaming, pkg/streaming/remotecommand/exec.go). */
export function statusOfEnd(end: StreamsEnd): Status {
  if ('error' in end)
    return {
      metadata: {},
      status: 'Failure',
      message: `Internal error occurred: ${end.error}`,
      reason: 'InternalError',
      details: { causes: [{ message: end.error }] },
      code: 500,
    }
  const { exitCode } = end
  if (exitCode === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit code ${exitCode}`,
    reason: exitCodeReason,
    details: { causes: [{ reason: exitCodeCause, message: String(exitCode) }] },
  }
}

/** The other way round. */
export function endOfStatus(text: string): StreamsEnd {
  let status: Partial<Status>
  try {
    status = JSON.parse(text) as Partial<Status>
  } catch {
    return { error: text }
  }
  if (status.status === 'Success') return { exitCode: 0 }
  const { reason, message = text, details } = status
  const causes = details?.causes ?? []
  const cause = causes.find(cause => cause.reason === exitCodeCause)
  if (reason === exitCodeReason && cause !== undefined)
    return { exitCode: Number(cause.message) }
  return { error: causes[0]?.message ?? message }
}
