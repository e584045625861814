import type { Pod } from '../api/types.ts'
import type {
  OpenStreams,
  StreamsRequest,
} from '../streams/container-streams.ts'
import {
  serveStreams,
  tellEnd,
  type StatusFormat,
} from '../streams/channels.ts'
import type { Wire } from '../streams/wire.ts'
import type { Clock } from '../util/clock.ts'
import { errorOf } from '../util/on-defect.ts'
import { badRequest } from './api-error.ts'
import { chooseContainer } from './pod-log.ts'
import type { Query } from './query.ts'
import type { LivePod } from './session-record.ts'

/** Each subprotocol, and how it says what has become of the program. */
const formats: ReadonlyMap<string, StatusFormat> = new Map([
  ['v5.channel.k8s.io', 'json'],
  ['v4.channel.k8s.io', 'json'],
  ['channel.k8s.io', 'text'],
])

export const streamProtocols = [...formats.keys()]

/** What is served as streams: there is nothing to GET. */
export function isStreamed(
  subresource: string | undefined,
): subresource is 'exec' | 'attach' | 'portforward' {
  return ['exec', 'attach', 'portforward'].includes(subresource ?? '')
}

/**
 * PodExecOptions and PodAttachOptions of core/v1. Throws an ApiError, in the words of the kubelet
 * (cri-streaming, pkg/streaming/remotecommand/httpstream.go, NewOptions).
 */
export function streamsRequest(
  pod: Pod,
  subresource: 'exec' | 'attach',
  query: Query,
): StreamsRequest {
  const container = chooseContainer(pod, query.text('container'))
  const command = query.all('command')
  if (subresource === 'exec' && command.length === 0)
    throw badRequest('you must specify at least one command for the container')
  const [stdin, stdout, stderr, tty] = (
    ['stdin', 'stdout', 'stderr', 'tty'] as const
  ).map(name => query.flag(name)) as [boolean, boolean, boolean, boolean]
  if (!stdin && !stdout && !stderr)
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr')
  return {
    container,
    ...(subresource === 'exec' ? { command } : {}),
    stdin,
    stdout,
    // A terminal has one output.
    stderr: stderr && !tty,
    tty,
  }
}

/** Throws an ApiError for a Pod that is not run here. */
export function openerOf({ pod, open }: LivePod): OpenStreams {
  if (open !== undefined) return open
  throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`)
}

/** Throws an ApiError for a Pod that does not run: its address may be another's by now. */
export function podIPOf({ pod, status }: LivePod): string {
  const { name } = pod.metadata
  if (status?.podIP === undefined)
    throw badRequest(`pod ${name} does not have a host assigned`)
  const { phase, podIP } = status
  if (phase === 'Succeeded' || phase === 'Failed')
    throw badRequest(`pod ${name} has ended; current phase is ${phase}`)
  return podIP
}

/** Connects the two until both are at their end. */
export async function connectStreams(
  wire: Wire,
  open: OpenStreams,
  {
    request,
    protocol,
    clock,
  }: {
    readonly request: StreamsRequest
    readonly protocol: string
    readonly clock: Clock
  },
): Promise<void> {
  const format = formats.get(protocol) ?? 'text'
  try {
    const streams = await open(request)
    await serveStreams(wire, streams, { format, clock })
  } catch (error) {
    await tellEnd(wire, { error: errorOf(error).message }, format)
  }
}
