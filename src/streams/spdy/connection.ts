import { Duplex } from 'node:stream'
import type { Clock } from '../../util/clock.ts'
import { inBackground } from '../../util/in-background.ts'
import {
  dataFrame,
  FrameReader,
  ping,
  resetStatus,
  type ResetStatus,
  rstStream,
  type SpdyFrame,
  synReply,
} from './frames.ts'
import { emptyBlock, HeaderBlocks, type SpdyHeaders } from './header-block.ts'

/** How much may have come of all streams and not be read: then nothing is read of any. */
const maxUnreadBytes = 4 * 1024 * 1024

/** While nothing is read nobody sees that the other side has gone: then it is asked so often. */
const askMs = 1000

/** Those of a server are even. */
const askId = 2

/**
 * Serves a connection of SPDY/3.1 on which the other side opens streams, until it is over or
 * broken; all streams have ended then. `accept` tells of a new stream whether it is wanted; who
 * accepts it reads it.
 */
export async function serveSpdy(
  transport: Duplex,
  {
    accept,
    clock,
  }: {
    readonly accept: (stream: SpdyStream) => boolean
    readonly clock: Clock
  },
): Promise<void> {
  const connection = new Connection(transport, accept, clock)
  // What is broken has ended, too.
  await connection.serve().catch(() => undefined)
  transport.destroy()
}

/**
 * One stream: what the other side sends is read, what is written it gets. Destroyed before both
 * have ended it, it is reset; one that the other side resets is destroyed.
 */
export class SpdyStream extends Duplex {
  readonly number: number
  readonly headers: SpdyHeaders
  readonly #connection: Connection
  /** What has come, and nobody wants yet. */
  readonly #waiting: Buffer[] = []
  #isWanted = false
  #hasAll = false
  #isReset = false

  constructor(
    connection: Connection,
    {
      number,
      headers,
    }: { readonly number: number; readonly headers: SpdyHeaders },
  ) {
    super()
    this.#connection = connection
    this.number = number
    this.headers = headers
    // 'close' follows.
    this.on('error', () => undefined)
  }

  /** The other side has said this. */
  receive(bytes: Buffer, isLast: boolean): void {
    if (this.#hasAll || this.destroyed) return
    this.#hasAll = isLast
    if (bytes.length > 0) this.#waiting.push(bytes)
    this.#connection.note(bytes.length)
    this.#handOn()
  }

  /** The other side knows that it is over. */
  abandon(): void {
    this.#isReset = true
    this.destroy()
  }

  override _read(): void {
    this.#isWanted = true
    this.#handOn()
  }

  override _write(chunk: Buffer, _: unknown, done: () => void): void {
    inBackground(this.#say(chunk, false, done))
  }

  override _final(done: () => void): void {
    inBackground(this.#say(Buffer.alloc(0), true, done))
  }

  override _destroy(
    error: Error | null,
    done: (error: Error | null) => void,
  ): void {
    const isOver = this.readableEnded && this.writableFinished
    if (!isOver && !this.#isReset)
      this.#connection.reset(this.number, resetStatus.cancel)
    for (const bytes of this.#waiting.splice(0))
      this.#connection.note(-bytes.length)
    this.#connection.forget(this)
    done(error)
  }

  #handOn(): void {
    while (this.#isWanted) {
      const bytes = this.#waiting.shift()
      if (bytes === undefined) break
      this.#isWanted = this.push(bytes)
      this.#connection.note(-bytes.length)
    }
    if (this.#hasAll && this.#waiting.length === 0) this.push(null)
  }

  async #say(bytes: Buffer, isLast: boolean, done: () => void): Promise<void> {
    await this.#connection.send(dataFrame(this.number, bytes, isLast))
    done()
  }
}

class Connection {
  readonly #transport: Duplex
  readonly #accept: (stream: SpdyStream) => boolean
  readonly #clock: Clock
  readonly #frames = new FrameReader()
  readonly #blocks = new HeaderBlocks()
  readonly #streams = new Map<number, SpdyStream>()
  #last = 0
  #hasReplied = false
  #isGoingAway = false
  #unread = 0
  #look: (() => void) | undefined

  constructor(
    transport: Duplex,
    accept: (stream: SpdyStream) => boolean,
    clock: Clock,
  ) {
    this.#transport = transport
    this.#accept = accept
    this.#clock = clock
    // 'close' follows.
    transport.on('error', () => undefined)
    transport.once('close', () => this.#look?.())
  }

  async serve(): Promise<void> {
    try {
      for await (const chunk of this.#transport)
        for (const frame of this.#frames.read(chunk as Buffer)) {
          this.#take(frame)
          await this.#room()
        }
    } finally {
      for (const stream of this.#streams.values()) stream.abandon()
    }
  }

  /** Resolves when it is on its way, or when nobody is there any more. */
  send(frame: Buffer): Promise<void> {
    return new Promise(resolve => this.#transport.write(frame, () => resolve()))
  }

  reset(stream: number, status: ResetStatus): void {
    inBackground(this.send(rstStream(stream, status)))
  }

  /** So much more waits to be read. */
  note(bytes: number): void {
    this.#unread += bytes
    this.#look?.()
  }

  forget({ number }: SpdyStream): void {
    this.#streams.delete(number)
    this.#endIfOver()
  }

  /** As spdystream: what nobody takes of one stream holds up all of them. */
  async #room(): Promise<void> {
    while (this.#unread > maxUnreadBytes && !this.#transport.destroyed)
      await new Promise<void>(resolve => {
        const timer = this.#clock.after(askMs, () => {
          inBackground(this.send(ping(askId)))
          resolve()
        })
        this.#look = () => {
          timer.cancel()
          resolve()
        }
      })
    this.#look = undefined
  }

  #take(frame: SpdyFrame): void {
    switch (frame.type) {
      case 'SYN_STREAM':
        this.#open(frame)
        break
      case 'HEADERS':
        this.#blocks.read(frame.block)
        break
      case 'RST_STREAM':
        this.#streams.get(frame.stream)?.abandon()
        break
      case 'PING':
        // Those of a client are odd; the others are answers.
        if (frame.id % 2 === 1) inBackground(this.send(ping(frame.id)))
        break
      case 'GOAWAY':
        this.#isGoingAway = true
        this.#endIfOver()
        break
      case 'DATA':
        this.#streams.get(frame.stream)?.receive(frame.bytes, frame.isLast)
    }
  }

  #open({
    stream: number,
    isLast,
    block,
  }: Extract<SpdyFrame, { type: 'SYN_STREAM' }>): void {
    const headers = this.#blocks.read(block)
    if (this.#isGoingAway) return
    if (number % 2 === 0 || number <= this.#last)
      return this.reset(number, resetStatus.protocolError)
    this.#last = number
    const stream = new SpdyStream(this, { number, headers })
    this.#streams.set(number, stream)
    if (!this.#accept(stream)) {
      stream.destroy()
      return
    }
    inBackground(this.send(synReply(number, emptyBlock(!this.#hasReplied))))
    this.#hasReplied = true
    if (isLast) stream.receive(Buffer.alloc(0), true)
  }

  #endIfOver(): void {
    if (this.#isGoingAway && this.#streams.size === 0) this.#transport.end()
  }
}
