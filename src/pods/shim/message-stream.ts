import type { Socket } from 'node:net'
import { fromWire, toWire } from './wire.ts'

/** More than this unsent, and the other side is behind. */
const behindBytes = 4 * 1024 * 1024
const newline = 0x0a

/**
 * Messages over a socket: one line of JSON each. What is said after the end goes nowhere.
 */
export class MessageStream<In, Out> {
  /** Resolves when the other side is gone, whatever the reason. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  #isClosed = false

  /** Each message is handed on in the order in which it came. */
  constructor(socket: Socket, onMessage: (message: In) => void) {
    this.#socket = socket
    // 'close' follows.
    socket.on('error', () => undefined)
    this.closed = new Promise(resolve =>
      socket.once('close', () => {
        this.#isClosed = true
        resolve()
      }),
    )
    let pending: Buffer[] = []
    socket.on('data', (chunk: Buffer) => {
      let start = 0
      for (;;) {
        const end = chunk.indexOf(newline, start)
        if (end === -1) break
        const line = Buffer.concat([...pending, chunk.subarray(start, end)])
        pending = []
        start = end + 1
        onMessage(fromWire(JSON.parse(line.toString('utf8'))) as In)
      }
      if (start < chunk.length) pending.push(chunk.subarray(start))
    })
  }

  /** The other side does not read as fast as there is something to say. */
  get isBehind(): boolean {
    return this.#socket.writableLength > behindBytes
  }

  send(message: Out): void {
    if (this.#isClosed || this.#socket.destroyed) return
    this.#socket.write(`${JSON.stringify(toWire(message))}\n`)
  }

  /** Calls back each time when all that was said is on its way. */
  onDrain(callback: () => void): void {
    this.#socket.on('drain', callback)
  }

  /** Nothing more is read until `resume`: the other side sees that it is not. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
  }
}
