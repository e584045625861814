import {
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { goQuote } from '../../../api/go-quote.ts'
import type { GRPCAction } from '../../../api/types.ts'
import { aborted } from '../../../util/aborted.ts'
import { formatGoDuration } from '../../../util/go-duration.ts'
import { joinHostPort } from '../dial-error.ts'
import { userAgent } from '../user-agent.ts'
import { decodeHealth, encodeService } from './health-messages.ts'
import { failure, success, type ProbeOutcome } from './probe-outcome.ts'

const method = '/grpc.health.v1.Health/Check'

const options = {
  'grpc.primary_user_agent': userAgent('probe'),
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  // A connection for each look, as the kubelet makes it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': 10 * 1024,
}

/**
 * Asks grpc.health.v1.Health/Check without TLS; success is SERVING (pkg/probe/grpc/grpc.go).
 * `abort` comes after `timeoutMs`: until then a refused connection is tried again. Never rejects.
 */
export async function probeGrpc(
  host: string,
  { port, service = '' }: GRPCAction,
  timeoutMs: number,
  abort: AbortSignal,
): Promise<ProbeOutcome> {
  const address = joinHostPort(host, port)
  const timeout = formatGoDuration(timeoutMs)
  const client = new Client(address, credentials.createInsecure(), options)
  try {
    const connected = await Promise.race([isReady(client), aborted(abort)])
    if (connected === undefined)
      return failure(
        `timeout: failed to connect service ${goQuote(address)} within ${timeout}: context deadline exceeded`,
      )
    const answer = await Promise.race([check(client, service), aborted(abort)])
    if (answer === undefined)
      return failure(`timeout: health rpc did not complete within ${timeout}`)
    if (typeof answer !== 'string') return failure(whyRefused(answer))
    return answer === 'SERVING'
      ? success()
      : failure(`service unhealthy (responded with ${goQuote(answer)})`)
  } finally {
    client.close()
  }
}

/** No deadline of its own: that of the library goes by the time of day. */
function isReady(client: Client): Promise<true> {
  return new Promise(resolve =>
    client.waitForReady(Infinity, error => {
      // Closed before it was ready: nobody waits any longer.
      if (error === undefined) resolve(true)
    }),
  )
}

/** The status of the service, or why there is none. */
function check(
  client: Client,
  service: string,
): Promise<string | ServiceError> {
  return new Promise(resolve => {
    client.makeUnaryRequest(
      method,
      encodeService,
      decodeHealth,
      service,
      new Metadata(),
      (error, health = 'UNKNOWN') => resolve(error ?? health),
    )
  })
}

function whyRefused({ code, details }: ServiceError): string {
  if (code === status.UNIMPLEMENTED)
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${details}`
  return `error: health rpc probe failed: rpc error: code = ${codeName(code)} desc = ${details}`
}

/** `NOT_FOUND` as Go's codes.Code says it: `NotFound`. */
function codeName(code: status): string {
  return status[code]
    .toLowerCase()
    .replace(/(^|_)([a-z])/g, (_, _1, letter: string) => letter.toUpperCase())
}
