import {
  dataViewOf,
  decodeName,
  FUSE_IN_HEADER_SIZE,
  FUSE_OUT_HEADER_SIZE,
  readU64,
  REQUEST_BUFFER_SIZE,
  type Time,
} from '../wire/protocol.ts'
import type { Tree } from './tree.ts'
import { LONGEST_KEPT, Views } from './views.ts'

const NO_TIME: Time = { sec: 0, nsec: 0 }

/** No request, for the time before the first one. */
const NOTHING = Buffer.alloc(FUSE_IN_HEADER_SIZE)

/** How often the kernel has been given a node, and not given it back. */
export interface KernelReferences {
  add(nodeId: number): void
  /** The node is gone; the kernel may never give it back. */
  drop(nodeId: number): void
}

export interface CallSettings {
  /** false: OPEN is ENOSYS, and the kernel opens and closes without asking again. */
  readonly answerOpens: boolean
  /** Asked for every mutation: a thread id is reused, an answer must not be kept. */
  readonly isDaemonThread: (tid: number) => boolean
}

/**
 * The request that is being answered, and its reply. One object and one reply buffer for all
 * of a server's life, and a header's field is read when it is asked for: what each of two
 * requests for an open allocates is a measurable part of them.
 */
export class Call {
  tree: Tree
  /** The time of the change: of a replayed one, when it first happened. */
  time: Time = NO_TIME
  readonly answerOpens: boolean
  readonly isDaemonThread: (tid: number) => boolean
  readonly references: KernelReferences
  /** Directories at which only the daemon has looked (fill.ts). Known of this server's only. */
  readonly unseen = new Set<number>()
  /** A change of the journal is done again: who may do it was looked at the first time. */
  isReplay = false
  /** Nothing that is answered is longer than a request may be. */
  readonly #replies = new Views(REQUEST_BUFFER_SIZE)
  #request: Buffer = NOTHING
  #in = dataViewOf(NOTHING)
  /** The last request of each length: the server reads them all into the same memory. */
  readonly #kept: { request: Buffer; data: DataView }[] = []

  constructor(
    tree: Tree,
    settings: CallSettings,
    references: KernelReferences,
  ) {
    this.tree = tree
    this.answerOpens = settings.answerOpens
    this.isDaemonThread = settings.isDaemonThread
    this.references = references
  }

  isUnseen(nodeId: number): boolean {
    return this.isReplay || this.unseen.has(nodeId)
  }

  get request(): Buffer {
    return this.#request
  }

  set request(request: Buffer) {
    this.#request = request
    const { length } = request
    const kept = this.#kept[length]
    if (kept?.request === request) this.#in = kept.data
    else {
      this.#in = dataViewOf(request)
      if (length <= LONGEST_KEPT)
        this.#kept[length] = { request, data: this.#in }
    }
  }

  get opcode(): number {
    return this.#in.getUint32(4, true)
  }

  get nodeId(): number {
    return readU64(this.#in, 16)
  }

  get uid(): number {
    return this.#in.getUint32(24, true)
  }

  get gid(): number {
    return this.#in.getUint32(28, true)
  }

  /** A thread id, in the pid namespace of whoever mounted; 0 when it has none. */
  get tid(): number {
    return this.#in.getUint32(32, true)
  }

  /** What follows the header. */
  get body(): Buffer {
    return this.request.subarray(FUSE_IN_HEADER_SIZE)
  }

  /** The 32 bits at an offset of the body. */
  word(at: number): number {
    return this.#in.getUint32(FUSE_IN_HEADER_SIZE + at, true)
  }

  /** The 64 bits at an offset of the body. */
  long(at: number): number {
    return readU64(this.#in, FUSE_IN_HEADER_SIZE + at)
  }

  /** The NUL-terminated name at an offset of the body. */
  name(at: number): string {
    return decodeName(this.#request, FUSE_IN_HEADER_SIZE + at)
  }

  /** The reply's bytes, to be written behind its header. */
  get out(): DataView {
    return this.#replies.data
  }

  /** A reply with `bodySize` zeros at offset 16, a multiple of 4. Good until the next one. */
  reply(bodySize = 0): Buffer {
    const length = FUSE_OUT_HEADER_SIZE + bodySize
    const { data } = this.#replies
    for (let at = FUSE_OUT_HEADER_SIZE; at < length; at += 4)
      data.setUint32(at, 0)
    return this.#head(length, 0)
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
    const { data } = this.#replies
    data.setUint32(0, length, true)
    data.setInt32(4, -errno, true)
    // `unique` as it came: its bit 63 does not survive a number.
    data.setUint32(8, this.#in.getUint32(8, true), true)
    data.setUint32(12, this.#in.getUint32(12, true), true)
    return this.#replies.ofLength(length)
  }
}
