/*
 * A container's streams as numbered channels: the remote command protocol of Kubernetes
 * (apimachinery, pkg/util/remotecommand/constants.go; kubelet, cri-streaming
 * pkg/streaming/remotecommand/websocket.go).
 */
import { PassThrough, Writable } from 'node:stream'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import type {
  ContainerStreams,
  StreamsEnd,
  StreamsRequest,
} from './container-streams.ts'
import { copied, written } from './copies.ts'
import { endOfStatus, statusOfEnd } from './stream-status.ts'
import type { Wire } from './wire.ts'

const stdin = 0
const stdout = 1
const stderr = 2
/** At the end, a Status of what has become of the program. */
const error = 3
/** `{"Width": COLUMNS, "Height": ROWS}` */
const resize = 4
/** One byte: the channel that ends. */
const close = 255

/** While nothing is read nobody sees that the other side has gone: then it is asked so often. */
const askMs = 1000

/** Before v4 of the protocol only an error was told, as text. */
export type StatusFormat = 'json' | 'text'

/**
 * Serves streams to the other side of a wire, until both are at their end; whoever leaves before
 * hangs up.
 */
export async function serveStreams(
  wire: Wire,
  streams: ContainerStreams,
  { format, clock }: { readonly format: StatusFormat; readonly clock: Clock },
): Promise<void> {
  inBackground(wire.closed.then(() => streams.hangUp()))
  const outputs = [
    ...(streams.stdout ? [stdout] : []),
    ...(streams.stderr ? [stderr] : []),
  ]
  const [askedOn = error] = outputs
  const ask = (): Promise<void> => wire.send(askedOn, Buffer.alloc(0))
  wire.receive((channel, bytes) => {
    switch (channel) {
      case stdin: {
        const taken = written(streams.stdin, bytes)
        return taken && askedMeanwhile(taken, ask, clock)
      }
      case resize:
        return resized(streams, bytes)
      case close:
        if (bytes[0] === stdin) streams.stdin?.end()
    }
    return undefined
  })
  // As the API server does: it tells that the program has been started.
  await ask()
  await Promise.all([
    copied(streams.stdout, wire, stdout),
    copied(streams.stderr, wire, stderr),
  ])
  await tellEnd(wire, await streams.ended, format)
}

/** The last word on a wire. */
export async function tellEnd(
  wire: Wire,
  end: StreamsEnd,
  format: StatusFormat,
): Promise<void> {
  const text =
    format === 'json'
      ? JSON.stringify(statusOfEnd(end))
      : 'error' in end
        ? end.error
        : end.exitCode === 0
          ? ''
          : `exit code ${end.exitCode}`
  if (text !== '') await wire.send(error, Buffer.from(text))
  wire.close()
}

/** The streams that the other side of a wire serves. */
export function streamsOver(
  wire: Wire,
  wanted: Pick<StreamsRequest, 'stdin' | 'stdout' | 'stderr'>,
): ContainerStreams {
  const outputs = new Map<number, PassThrough>()
  if (wanted.stdout) outputs.set(stdout, new PassThrough())
  if (wanted.stderr) outputs.set(stderr, new PassThrough())
  const ended = new Promise<StreamsEnd>(resolve => {
    wire.receive((channel, bytes) => {
      // Somebody asks whether this side is there.
      if (bytes.length === 0) return undefined
      if (channel !== error) return written(outputs.get(channel), bytes)
      resolve(endOfStatus(bytes.toString('utf8')))
      return undefined
    })
    inBackground(
      wire.closed.then(() =>
        resolve({ error: 'the connection to the container was lost' }),
      ),
    )
  })
  const endOutputs = async (): Promise<void> => {
    await ended
    for (const output of outputs.values()) output.end()
  }
  inBackground(endOutputs())
  const [out, err] = [outputs.get(stdout), outputs.get(stderr)]
  return {
    ...(wanted.stdin ? { stdin: inputTo(wire) } : {}),
    ...(out === undefined ? {} : { stdout: out }),
    ...(err === undefined ? {} : { stderr: err }),
    resize: ({ columns, rows }) => {
      const size = JSON.stringify({ Width: columns, Height: rows })
      inBackground(wire.send(resize, Buffer.from(size)))
    },
    ended,
    hangUp: () => wire.drop(),
  }
}

function inputTo(wire: Wire): Writable {
  const say = async (
    channel: number,
    bytes: Uint8Array,
    done: () => void,
  ): Promise<void> => {
    await wire.send(channel, bytes)
    done()
  }
  return new Writable({
    write: (chunk: Buffer, _, done) => inBackground(say(stdin, chunk, done)),
    final: done => inBackground(say(close, Buffer.of(stdin), done)),
  })
}

/** An error of what is asked closes the wire. */
async function askedMeanwhile(
  taken: Promise<void>,
  ask: () => Promise<void>,
  clock: Clock,
): Promise<void> {
  const isTaken = new AbortController()
  inBackground(taken.then(() => isTaken.abort()))
  for (;;) {
    await clock.sleep(askMs, isTaken.signal).catch(() => undefined)
    if (isTaken.signal.aborted) return
    await Promise.race([ask(), taken])
  }
}

function resized(streams: ContainerStreams, bytes: Buffer): undefined {
  let size: unknown
  try {
    size = JSON.parse(bytes.toString('utf8'))
  } catch {
    return
  }
  const { Width, Height } = (size ?? {}) as Record<string, unknown>
  if (isCount(Width) && isCount(Height))
    streams.resize({ columns: Width, rows: Height })
}

/** What fits into a winsize of the kernel (asm-generic/termios.h). */
function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < 65_536
}
