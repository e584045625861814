/**
 * One request in, exactly one reply out (none for what the kernel wants unanswered), without
 * a file descriptor. A handler never takes the mount down: an unknown operation is ENOSYS, a
 * malformed request or a bug is EIO and one log line.
 *
 * A mutation, in this order:
 *  (1) a resent request that was already done gets the reply it was owed;
 *  (2) only the daemon's threads may change anything, all others EROFS;
 *  (3) do it to the tree;
 *  (4) append it to the journal, before the reply exists for anybody else. A mutation that
 *      cannot be recorded has not happened: the tree is read back from the journal.
 */
import { EIO, ENOSPC, ENOSYS, ENOTCONN, EROFS, ErrnoError } from './errno.ts'
import { handlers } from './handlers.ts'
import type { RecordedReply, ServerState } from './journal.ts'
import * as wire from './protocol.ts'
import {
  type MutationName,
  operationNames,
  operations,
  type QueryName,
} from './operations.ts'
import type { InHeader, Time } from './protocol.ts'
import { Tree } from './tree.ts'

/** Replies kept for resent requests. One thread serves, so one would do; a few are kept. */
const RECENT_REPLIES = 8

export interface DispatcherSettings {
  /** false: OPEN is ENOSYS, and the kernel opens and closes without asking again. */
  readonly answerOpens: boolean
  /** Asked for every mutation: a thread id is reused, an answer must not be kept. */
  readonly isDaemonThread: (tid: number) => boolean
  /** Once true, nothing is answered any more: what was invalidated must not come back. */
  readonly isStopping: () => boolean
  readonly now: () => Time
  readonly log: (message: string, fields: Record<string, unknown>) => void
  readonly onRequest?: (opcode: number) => void
}

export interface JournalSink {
  /** Throws when the record is not completely written. */
  append(time: Time, request: Buffer, reply: Buffer): void
  appendDrop(nodeId: number): void
  /** The state as the journal has it, after an append that failed. */
  reload(): ServerState
}

export class Dispatcher {
  tree: Tree
  recent: RecordedReply[]
  readonly #settings: DispatcherSettings
  readonly #journal: JournalSink
  /**
   * How many references the kernel has to a node, since this server started. A restart
   * begins at 0, so a count may become negative.
   */
  readonly #lookups = new Map<number, number>()

  constructor(
    state: ServerState,
    settings: DispatcherSettings,
    journal: JournalSink,
  ) {
    this.tree = new Tree(state)
    this.recent = [...state.recent]
    this.#settings = settings
    this.#journal = journal
  }

  get state(): ServerState {
    const { nodes, nextId } = this.tree
    return { nodes, nextId, recent: this.recent }
  }

  /** `undefined`: the kernel expects no reply. */
  dispatch(request: Buffer): Buffer | undefined {
    // The kernel never sends less than a header; without one there is nobody to answer.
    if (request.length < wire.FUSE_IN_HEADER_SIZE) return undefined
    const header = wire.decodeInHeader(request)
    this.#settings.onRequest?.(header.opcode)
    const name = operationNames.get(header.opcode)
    const kind = name === undefined ? 'ENOSYS' : operations[name].kind
    try {
      if (kind === 'silent') {
        this.#forget(header, request.subarray(wire.FUSE_IN_HEADER_SIZE))
        return undefined
      }
      if (kind === 'ENOSYS') return wire.encodeReply(header.unique, ENOSYS)
      if (this.#settings.isStopping())
        return wire.encodeReply(header.unique, ENOTCONN)
      return kind === 'mutation'
        ? this.#mutate(header, request)
        : this.#run(name as QueryName, header, request, this.#settings.now())
    } catch (error) {
      if (kind === 'silent') return undefined
      if (!(error instanceof ErrnoError))
        this.#settings.log('request failed', {
          operation: name,
          error: String(error),
        })
      const errno = error instanceof ErrnoError ? error.errno : EIO
      return wire.encodeReply(header.unique, errno)
    }
  }

  /** Does again what the journal has; throws when the result is not what was recorded. */
  replay(time: Time, request: Buffer, recorded: Buffer): void {
    const header = wire.decodeInHeader(request)
    const name = operationNames.get(header.opcode) as MutationName
    const reply = this.#run(name, header, request, time)
    if (!reply.equals(recorded))
      throw new Error(`journal: ${name} replayed with another result`)
    this.#remember(header, reply)
    // The count was the old server's.
    this.#lookups.clear()
  }

  /** Frees a node without a name that the kernel does not know (any more). */
  drop(nodeId: number): void {
    this.#journal.appendDrop(nodeId)
    this.replayDrop(nodeId)
  }

  replayDrop(nodeId: number): void {
    this.tree.drop(nodeId)
    this.#lookups.delete(nodeId)
  }

  #mutate(header: InHeader, request: Buffer): Buffer {
    const name = operationNames.get(header.opcode) as MutationName
    // (1)
    if (isResent(header)) {
      const done = this.recent.find(({ unique }) => unique === key(header))
      if (done !== undefined) {
        const reply = Buffer.from(done.reply)
        header.unique.copy(reply, 8)
        return reply
      }
    }
    // (2)
    if (!this.#settings.isDaemonThread(header.tid)) throw new ErrnoError(EROFS)
    // (3)
    const time = this.#settings.now()
    const reply = this.#run(name, header, request, time)
    // (4)
    try {
      this.#journal.append(time, request, reply)
    } catch (error) {
      this.#settings.log('journal: a change could not be recorded', {
        error: String(error),
      })
      const state = this.#journal.reload()
      this.tree = new Tree(state)
      this.recent = [...state.recent]
      throw new ErrnoError(ENOSPC)
    }
    this.#remember(header, reply)
    return reply
  }

  #run(
    name: QueryName | MutationName,
    header: InHeader,
    request: Buffer,
    time: Time,
  ): Buffer {
    return handlers[name]({
      tree: this.tree,
      header,
      body: request.subarray(wire.FUSE_IN_HEADER_SIZE),
      time,
      answerOpens: this.#settings.answerOpens,
      isDaemonThread: this.#settings.isDaemonThread,
      referenced: nodeId =>
        this.#lookups.set(nodeId, (this.#lookups.get(nodeId) ?? 0) + 1),
    })
  }

  #remember(header: InHeader, reply: Buffer): void {
    this.recent.push({ unique: key(header), reply })
    if (this.recent.length > RECENT_REPLIES) this.recent.shift()
  }

  #forget(header: InHeader, body: Buffer): void {
    const { FORGET, BATCH_FORGET } = operations
    if (header.opcode === FORGET.opcode)
      this.#forgetOne(header.nodeId, wire.decodeForget(body))
    if (header.opcode === BATCH_FORGET.opcode)
      for (const { nodeId, nlookup } of wire.decodeBatchForget(body))
        this.#forgetOne(nodeId, nlookup)
  }

  #forgetOne(nodeId: number, nlookup: number): void {
    if (!this.tree.nodes.has(nodeId)) return
    const left = (this.#lookups.get(nodeId) ?? 0) - nlookup
    this.#lookups.set(nodeId, left)
    if (left <= 0 && this.tree.isUnlinked(nodeId)) this.drop(nodeId)
  }
}

/** Bit 63 of `unique` (FUSE_UNIQUE_RESEND): the kernel does not know what became of it. */
function isResent(header: InHeader): boolean {
  return ((header.unique[7] ?? 0) & 0x80) !== 0
}

/** `unique` without that bit, as a string to compare. */
function key(header: InHeader): string {
  const bytes = Buffer.from(header.unique)
  bytes[7] = (bytes[7] ?? 0) & 0x7f
  return bytes.toString('hex')
}
