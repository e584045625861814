/*
 * Connections to ports of a Pod over SPDY, as a kubelet forwards them (cri-streaming,
 * pkg/streaming/portforward/httpstream.go): a client opens two streams for each, which have a
 * number in common, one for the data and one for the error.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import { errorOf } from '../util/on-defect.ts'
import { serveSpdy, type SpdyStream } from './spdy/connection.ts'
import type { SpdyHeaders } from './spdy/header-block.ts'

export const forwardStreamsProtocol = 'portforward.k8s.io'

/** The same in a WebSocket (apimachinery, pkg/util/portforward/constants.go). */
export const tunnelledForwardProtocol = `SPDY/3.1+${forwardStreamsProtocol}`

/** How long the second stream may take (kubelet server.go, DefaultStreamCreationTimeout). */
const pairMs = 30_000

interface Pair {
  readonly data?: SpdyStream
  readonly error?: SpdyStream
}

/** Connects to a port for each two streams, and resolves when the client is gone. */
export async function serveForwardStreams(
  transport: Duplex,
  {
    dial,
    clock,
  }: {
    readonly dial: (port: number) => Promise<Socket>
    readonly clock: Clock
  },
): Promise<void> {
  const waiting = new Map<string, Pair>()
  const accept = (stream: SpdyStream): boolean => {
    const wanted = wantedOf(stream.headers)
    if (wanted === undefined) return false
    const { port, type } = wanted
    const id = pairOf(stream, type)
    const pair: Pair = waiting.get(id) ?? {}
    if (pair[type] !== undefined) return false
    const { data, error }: Pair = { ...pair, [type]: stream }
    if (data !== undefined && error !== undefined) {
      waiting.delete(id)
      inBackground(forward({ data, error }, port, dial))
      return true
    }
    waiting.set(id, { [type]: stream })
    const isAlone = (): boolean => waiting.get(id)?.[type] === stream
    const timer = clock.after(pairMs, () => {
      if (isAlone()) stream.destroy()
    })
    stream.once('close', () => {
      timer.cancel()
      if (isAlone()) waiting.delete(id)
    })
    return true
  }
  await serveSpdy(transport, { accept, clock })
}

function wantedOf(
  headers: SpdyHeaders,
): { readonly port: number; readonly type: keyof Pair } | undefined {
  const port = Number(headers.get('port'))
  const type = headers.get('streamtype')
  if (type !== 'data' && type !== 'error') return undefined
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  return { port, type }
}

/** Old clients give none; they open the one for the error first. */
function pairOf({ number, headers }: SpdyStream, type: keyof Pair): string {
  const first = type === 'error' ? number : number - 2
  return headers.get('requestid') ?? String(first)
}

async function forward(
  { data, error }: Required<Pair>,
  port: number,
  dial: (port: number) => Promise<Socket>,
): Promise<void> {
  // A client says nothing there.
  error.resume()
  let socket: Socket
  try {
    socket = await dial(port)
  } catch (reason) {
    // As a kubelet: kubectl says what it is, and gives up all that it forwards.
    error.end(errorOf(reason).message, () => {
      data.destroy()
      error.destroy()
    })
    return
  }
  // 'close' follows.
  socket.on('error', () => undefined)
  data.once('close', () => {
    const hasEnded = data.readableEnded && data.writableFinished
    if (!hasEnded) socket.destroy()
  })
  socket.once('close', () => {
    // Nobody takes more of it, and that is no reason to lose what it has said.
    data.resume().end()
    error.end()
  })
  if (data.destroyed) {
    socket.destroy()
    return
  }
  data.pipe(socket)
  socket.pipe(data)
  // kubectl waits for both.
  socket.once('end', () => error.end())
}
