import type { DispatcherSettings } from './dispatch.ts'
import {
  FUSE_IN_HEADER_SIZE,
  FUSE_OUT_HEADER_SIZE,
  readU64,
  REQUEST_BUFFER_SIZE,
  type Time,
} from './protocol.ts'
import type { Tree } from './tree.ts'
import { Views } from './views.ts'

const NO_TIME: Time = { sec: 0, nsec: 0 }

/** No request, for the time before the first one. */
const NOTHING = Buffer.alloc(FUSE_IN_HEADER_SIZE)

/**
 * The request that is being answered, and its reply. One object and one reply buffer for all
 * of a server's life, and a header's field is read when it is asked for: what each of two
 * requests for an open allocates is a measurable part of them.
 */
export class Call {
  request: Buffer = NOTHING
  tree: Tree
  /** The time of the change: of a replayed one, when it first happened. */
  time: Time = NO_TIME
  readonly answerOpens: boolean
  readonly isDaemonThread: (tid: number) => boolean
  /** The reply gives the kernel one more reference to a node. */
  readonly referenced: (nodeId: number) => void
  /** Nothing that is answered is longer than a request may be. */
  readonly #replies = new Views(REQUEST_BUFFER_SIZE)

  constructor(
    tree: Tree,
    settings: Pick<DispatcherSettings, 'answerOpens' | 'isDaemonThread'>,
    referenced: (nodeId: number) => void,
  ) {
    this.tree = tree
    this.answerOpens = settings.answerOpens
    this.isDaemonThread = settings.isDaemonThread
    this.referenced = referenced
  }

  get opcode(): number {
    return this.request.readUInt32LE(4)
  }

  get nodeId(): number {
    return readU64(this.request, 16)
  }

  get uid(): number {
    return this.request.readUInt32LE(24)
  }

  get gid(): number {
    return this.request.readUInt32LE(28)
  }

  /** A thread id, in the pid namespace of whoever mounted; 0 when it has none. */
  get tid(): number {
    return this.request.readUInt32LE(32)
  }

  /** What follows the header. */
  get body(): Buffer {
    return this.request.subarray(FUSE_IN_HEADER_SIZE)
  }

  /** The 32 bits at an offset of the body. */
  word(at: number): number {
    return this.request.readUInt32LE(FUSE_IN_HEADER_SIZE + at)
  }

  /** A reply with `bodySize` zeros at offset 16. Good until the next reply. */
  reply(bodySize = 0): Buffer {
    const reply = this.#head(FUSE_OUT_HEADER_SIZE + bodySize, 0)
    if (bodySize > 0) reply.fill(0, FUSE_OUT_HEADER_SIZE)
    return reply
  }

  /** As `reply`, with these bytes. */
  replyWith(data: Buffer): Buffer {
    const reply = this.#head(FUSE_OUT_HEADER_SIZE + data.length, 0)
    reply.set(data, FUSE_OUT_HEADER_SIZE)
    return reply
  }

  /** A reply that was given before, to the request as it is numbered now. */
  replyAgain(reply: Buffer): Buffer {
    return this.replyWith(reply.subarray(FUSE_OUT_HEADER_SIZE))
  }

  /** An error has no body. */
  refuse(errno: number): Buffer {
    return this.#head(FUSE_OUT_HEADER_SIZE, errno)
  }

  #head(length: number, errno: number): Buffer {
    const reply = this.#replies.ofLength(length)
    reply.writeUInt32LE(length, 0)
    reply.writeInt32LE(-errno, 4)
    // `unique` as it came: its bit 63 does not survive a number.
    reply.writeUInt32LE(this.request.readUInt32LE(8), 8)
    reply.writeUInt32LE(this.request.readUInt32LE(12), 12)
    return reply
  }
}
