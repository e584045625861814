import type { Readable, Writable } from 'node:stream'

/** What somebody wants of a container: PodExecOptions and PodAttachOptions of core/v1. */
export interface StreamsRequest {
  readonly container: string
  /** Program and arguments; absent: the container's own streams (attach). */
  readonly command?: readonly string[]
  readonly stdin: boolean
  readonly stdout: boolean
  /** Never with `tty`: a terminal has one output. */
  readonly stderr: boolean
  readonly tty: boolean
}

/** In characters. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** How a program has ended, or why it could not be started. */
export type StreamsEnd =
  { readonly exitCode: number } | { readonly error: string }

/**
 * The streams of one program in a container, from whoever wants them to whoever has them; in
 * between may be sockets (channels.ts).
 */
export interface ContainerStreams {
  /** Its end is the end of the program's input. Absent: nothing is read. */
  readonly stdin?: Writable
  /** Absent: not asked for. With a terminal all output is here. */
  readonly stdout?: Readable
  readonly stderr?: Readable
  /** Of the terminal; without one nothing. */
  resize(size: TerminalSize): void
  /** Never rejects. The last output may still be unread. */
  readonly ended: Promise<StreamsEnd>
  /** Whoever wanted them has gone: what was started for them ends. */
  hangUp(): void
}

/** Of a container that runs. Rejects, or gives an end with the reason, when it cannot be. */
export type OpenStreams = (request: StreamsRequest) => Promise<ContainerStreams>
