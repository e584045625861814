/*
 * The frames of SPDY/3.1 (draft 3, 2.2), as moby/spdystream speaks it, which is what kubectl and
 * the API server of Kubernetes have: nobody counts windows, so what is sent of one stream holds up
 * the others.
 *
 *   control frame              data frame
 *   1 | version: 15            0 | stream: 31
 *   type: 16
 *   flags: 8 | length: 24      flags: 8 | length: 24
 *   `length` bytes             `length` bytes
 */

const headBytes = 8
const controlBit = 0x8000_0000
const version = 3

const SYN_STREAM = 1
const SYN_REPLY = 2
const RST_STREAM = 3
const PING = 6
const GOAWAY = 7
const HEADERS = 8

const FLAG_FIN = 0x01

/** Why a stream is reset (2.6.3). */
export const resetStatus = { protocolError: 1, cancel: 5 } as const
export type ResetStatus = (typeof resetStatus)[keyof typeof resetStatus]

/** Larger than what anybody says of a stream; data may be longer. */
const maxControlBytes = 64 * 1024

export type SpdyFrame =
  | {
      readonly type: 'SYN_STREAM'
      readonly stream: number
      readonly isLast: boolean
      readonly block: Buffer
    }
  /** Headers of a stream that there is already; they have to be read for those after them. */
  | { readonly type: 'HEADERS'; readonly block: Buffer }
  | { readonly type: 'RST_STREAM'; readonly stream: number }
  | { readonly type: 'PING'; readonly id: number }
  | { readonly type: 'GOAWAY' }
  /** As much of a data frame as has come. */
  | {
      readonly type: 'DATA'
      readonly stream: number
      readonly bytes: Buffer
      readonly isLast: boolean
    }

/** Reads the frames of one direction. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)
  /** The data frame that has come in part. */
  #data: { stream: number; left: number; isLast: boolean } | undefined;

  /** What is complete by now; frames that mean nothing here are left out. Throws an Error. */
  *read(chunk: Buffer): Generator<SpdyFrame> {
    let bytes: Buffer =
      this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const data = this.#data
      if (data !== undefined) {
        const part = bytes.subarray(0, data.left)
        bytes = bytes.subarray(part.length)
        data.left -= part.length
        const isWhole = data.left === 0
        if (isWhole) this.#data = undefined
        const { stream } = data
        const isLast = data.isLast && isWhole
        yield { type: 'DATA', stream, bytes: part, isLast }
        if (!isWhole) break
      }
      if (bytes.length < headBytes) break
      const first = bytes.readUInt32BE(0)
      const isLast = (bytes.readUInt8(4) & FLAG_FIN) !== 0
      const length = bytes.readUIntBE(5, 3)
      if (first < controlBit) {
        bytes = bytes.subarray(headBytes)
        this.#data = { stream: first, left: length, isLast }
        continue
      }
      if (length > maxControlBytes) throw new Error('a frame is too large')
      if (bytes.length < headBytes + length) break
      const body = bytes.subarray(headBytes, headBytes + length)
      bytes = bytes.subarray(headBytes + length)
      const frame = controlFrame(first & 0xffff, body, isLast)
      if (frame !== undefined) yield frame
    }
    this.#rest = bytes
  }
}

function controlFrame(
  type: number,
  body: Buffer,
  isLast: boolean,
): SpdyFrame | undefined {
  switch (type) {
    case SYN_STREAM: {
      // Priority and the stream to which it belongs are between them.
      const block = body.subarray(10)
      return { type: 'SYN_STREAM', stream: number(body), isLast, block }
    }
    case SYN_REPLY:
    case HEADERS:
      return { type: 'HEADERS', block: body.subarray(4) }
    case RST_STREAM:
      return { type: 'RST_STREAM', stream: number(body) }
    case PING:
      return { type: 'PING', id: body.readUInt32BE(0) }
    case GOAWAY:
      return { type: 'GOAWAY' }
    default:
      return undefined
  }
}

/** The first bit is reserved. */
function number(body: Buffer): number {
  return body.readUInt32BE(0) & 0x7fff_ffff
}

/** A stream is accepted. */
export function synReply(stream: number, block: Buffer): Buffer {
  return Buffer.concat([control(SYN_REPLY, [stream], block.length), block])
}

export function rstStream(stream: number, status: ResetStatus): Buffer {
  return control(RST_STREAM, [stream, status])
}

/** The answer to one. */
export function ping(id: number): Buffer {
  return control(PING, [id])
}

export function dataFrame(
  stream: number,
  bytes: Buffer,
  isLast: boolean,
): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt32BE(stream)
  head.writeUInt8(isLast ? FLAG_FIN : 0, 4)
  head.writeUIntBE(bytes.length, 5, 3)
  return Buffer.concat([head, bytes])
}

function control(
  type: number,
  numbers: readonly number[],
  more: number = 0,
): Buffer {
  const frame = Buffer.alloc(headBytes + 4 * numbers.length)
  frame.writeUInt16BE(0x8000 | version)
  frame.writeUInt16BE(type, 2)
  frame.writeUIntBE(4 * numbers.length + more, 5, 3)
  for (const [i, each] of numbers.entries())
    frame.writeUInt32BE(each, headBytes + 4 * i)
  return frame
}
