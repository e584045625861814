import { serveStreams, streamsOver, tellEnd } from '../../streams/channels.ts'
import type {
  ContainerStreams,
  OpenStreams,
  StreamsRequest,
} from '../../streams/container-streams.ts'
import type { Wire } from '../../streams/wire.ts'
import type { Clock } from '../../util/clock.ts'
import { inBackground } from '../../util/in-background.ts'
import { errorOf } from '../../util/on-defect.ts'

/*
 * Streams of a container from a pod shim, a connection for each request. The first message, in a
 * channel of its own, says what is wanted; all others are those of channels.ts.
 */
const request = 254

/** The side of podfs: asks for them. */
export async function requestStreams(
  wire: Wire,
  wanted: StreamsRequest,
): Promise<ContainerStreams> {
  await wire.send(request, Buffer.from(JSON.stringify(wanted)))
  return streamsOver(wire, wanted)
}

/** The side of the shim. */
export function serveRequestedStreams(
  wire: Wire,
  { open, clock }: { readonly open: OpenStreams; readonly clock: Clock },
): void {
  type Listener = Parameters<Wire['receive']>[0]
  const begin: Listener = async (_, bytes) => {
    listener = () => undefined
    try {
      const wanted = JSON.parse(bytes.toString('utf8')) as StreamsRequest
      const streams = await open(wanted)
      const rest: Wire = { ...wire, receive: next => (listener = next) }
      inBackground(serveStreams(rest, streams, { format: 'json', clock }))
    } catch (error) {
      await tellEnd(wire, { error: errorOf(error).message }, 'json')
    }
  }
  let listener = begin
  wire.receive((channel, bytes) => listener(channel, bytes))
}
