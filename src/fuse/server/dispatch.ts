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
import { Call, type CallSettings } from './call.ts'
import {
  EIO,
  ENOSPC,
  ENOSYS,
  ENOTCONN,
  EROFS,
  ErrnoError,
} from '../wire/errno.ts'
import { handlers } from './handlers.ts'
import type { RecordedReply, ServerState } from './snapshot.ts'
import {
  type MutationName,
  type OperationName,
  operationNames,
  operations,
} from '../wire/operations.ts'
import * as wire from '../wire/protocol.ts'
import type { Time } from '../wire/protocol.ts'
import { Tree } from './tree.ts'

/** Replies kept for resent requests. One thread serves, so one would do; a few are kept. */
const RECENT_REPLIES = 8

type Handler = (call: Call) => Buffer

const handlerOf: Partial<Record<OperationName, Handler>> = handlers

/** What is done with an operation, by opcode; without a handler it is ENOSYS or silent. */
const served = operationNames.map(
  name =>
    name && { name, kind: operations[name].kind, handle: handlerOf[name] },
)

export interface DispatcherSettings extends CallSettings {
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
  recent: RecordedReply[]
  readonly #call: Call
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
    this.recent = [...state.recent]
    this.#settings = settings
    this.#journal = journal
    this.#call = new Call(new Tree(state), settings, {
      add: nodeId =>
        this.#lookups.set(nodeId, (this.#lookups.get(nodeId) ?? 0) + 1),
      drop: nodeId => this.#lookups.delete(nodeId),
    })
  }

  get tree(): Tree {
    return this.#call.tree
  }

  get state(): ServerState {
    const { nodes, nextId } = this.tree
    return { nodes, nextId, recent: this.recent }
  }

  /**
   * `undefined`: the kernel expects no reply. The reply is overwritten by the next one.
   */
  dispatch(request: Buffer): Buffer | undefined {
    // The kernel never sends less than a header; without one there is nobody to answer.
    if (request.length < wire.FUSE_IN_HEADER_SIZE) return undefined
    const call = this.#call
    call.request = request
    const { opcode } = call
    this.#settings.onRequest?.(opcode)
    const operation = served[opcode]
    const kind = operation?.kind
    try {
      if (kind === 'silent') {
        this.#forget(call)
        return undefined
      }
      if (kind === 'EROFS') return call.refuse(EROFS)
      if (operation?.handle === undefined) return call.refuse(ENOSYS)
      if (this.#settings.isStopping()) return call.refuse(ENOTCONN)
      return kind === 'mutation'
        ? this.#mutate(call, operation.handle)
        : operation.handle(call)
    } catch (error) {
      if (kind === 'silent') return undefined
      if (error instanceof ErrnoError) return call.refuse(error.errno)
      this.#settings.log('request failed', {
        operation: operation?.name,
        error: String(error),
      })
      return call.refuse(EIO)
    }
  }

  /** The reply to a request that is not even looked at. */
  refuse(request: Buffer, errno: number): Buffer {
    this.#call.request = request
    return this.#call.refuse(errno)
  }

  /** Does again what the journal has; throws when the result is not what was recorded. */
  replay(time: Time, request: Buffer, recorded: Buffer): void {
    const call = this.#call
    call.request = request
    call.time = time
    call.isReplay = true
    const name = operationNames[call.opcode] as MutationName
    const reply = handlers[name](call)
    if (!reply.equals(recorded))
      throw new Error(`journal: ${name} replayed with another result`)
    this.#remember(call, reply)
    // The count was the old server's.
    this.#lookups.clear()
  }

  /** Frees a node without a name that the kernel does not know (any more). */
  drop(nodeId: number): void {
    try {
      this.#journal.appendDrop(nodeId)
    } catch {
      // No room in the journal. A successor will find the node, ask the kernel for it as this
      // server did at its start, and drop it then. A server that died of this would take the
      // mount with it.
    }
    this.replayDrop(nodeId)
  }

  replayDrop(nodeId: number): void {
    this.tree.drop(nodeId)
    this.#lookups.delete(nodeId)
  }

  #mutate(call: Call, handle: Handler): Buffer {
    // (1)
    if (isResent(call.request)) {
      const done = this.recent.find(({ unique }) => unique === key(call))
      // Its `unique` is given back as it came, with the bit.
      if (done !== undefined) return call.replyAgain(done.reply)
    }
    // (2)
    if (!this.#settings.isDaemonThread(call.tid)) throw new ErrnoError(EROFS)
    // (3)
    call.time = this.#settings.now()
    const reply = handle(call)
    // (4)
    try {
      this.#journal.append(call.time, call.request, reply)
    } catch (error) {
      this.#settings.log('journal: a change could not be recorded', {
        error: String(error),
      })
      const state = this.#journal.reload()
      this.#call.tree = new Tree(state)
      this.#call.unseen.clear()
      // The ids of the nodes that are gone will be given out again, and their counts must not stay;
      // the kernel was never told of these nodes.
      for (const nodeId of this.#lookups.keys())
        if (!state.nodes.has(nodeId)) this.#lookups.delete(nodeId)
      this.recent = [...state.recent]
      throw new ErrnoError(ENOSPC)
    }
    this.#remember(call, reply)
    return reply
  }

  #remember(call: Call, reply: Buffer): void {
    this.recent.push({ unique: key(call), reply: Buffer.from(reply) })
    if (this.recent.length > RECENT_REPLIES) this.recent.shift()
  }

  #forget(call: Call): void {
    const { FORGET, BATCH_FORGET } = operations
    if (call.opcode === FORGET.opcode)
      this.#forgetOne(call.nodeId, call.long(0))
    if (call.opcode === BATCH_FORGET.opcode)
      wire.decodeBatchForget(call.body, (nodeId, nlookup) =>
        this.#forgetOne(nodeId, nlookup),
      )
  }

  #forgetOne(nodeId: number, nlookup: number): void {
    if (!this.tree.nodes.has(nodeId)) return
    const left = (this.#lookups.get(nodeId) ?? 0) - nlookup
    this.#lookups.set(nodeId, left)
    if (left <= 0 && this.tree.isUnlinked(nodeId)) this.drop(nodeId)
  }
}

/** Bit 63 of `unique` (FUSE_UNIQUE_RESEND): the kernel does not know what became of it. */
export function isResent(request: Buffer): boolean {
  return (request.readUInt8(15) & 0x80) !== 0
}

/** `unique` without that bit, as a string to compare. */
function key({ request }: Call): string {
  const bytes = Buffer.from(request.subarray(8, 16))
  bytes.writeUInt8(bytes.readUInt8(7) & 0x7f, 7)
  return bytes.toString('hex')
}
