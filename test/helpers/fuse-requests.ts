import {
  Dispatcher,
  type DispatcherSettings,
} from '../../src/fuse/server/dispatch.ts'
import type { JournalSink } from '../../src/fuse/server/dispatch.ts'
import type { ServerState } from '../../src/fuse/server/snapshot.ts'
import {
  type OperationName,
  operations,
} from '../../src/fuse/wire/operations.ts'
import type { Time } from '../../src/fuse/wire/protocol.ts'
import { Tree } from '../../src/fuse/server/tree.ts'

/** The thread that the dispatcher under test takes for the daemon's. */
export const DAEMON_TID = 77

let lastUnique = 0

/** A request as the kernel writes it; `unique` counts up by 2. */
export function makeRequest(
  operation: OperationName | number,
  nodeId: number,
  body: Buffer = Buffer.alloc(0),
  options: {
    tid?: number
    uid?: number
    gid?: number
    unique?: number
    resent?: boolean
  } = {},
): Buffer {
  const opcode =
    typeof operation === 'number' ? operation : operations[operation].opcode
  const request = Buffer.alloc(40 + body.length)
  request.writeUInt32LE(request.length, 0)
  request.writeUInt32LE(opcode, 4)
  const unique = BigInt(options.unique ?? (lastUnique += 2))
  request.writeBigUInt64LE(
    options.resent === true ? unique | (1n << 63n) : unique,
    8,
  )
  request.writeBigUInt64LE(BigInt(nodeId), 16)
  request.writeUInt32LE(options.uid ?? 0, 24)
  request.writeUInt32LE(options.gid ?? 0, 28)
  request.writeUInt32LE(options.tid ?? DAEMON_TID, 32)
  body.copy(request, 40)
  return request
}

/** 32-bit words, then names with their NUL. */
export function makeBody(words: readonly number[], ...names: string[]): Buffer {
  const fixed = Buffer.alloc(words.length * 4)
  words.forEach((word, index) => fixed.writeUInt32LE(word >>> 0, index * 4))
  return Buffer.concat([fixed, ...names.map(name => Buffer.from(name + '\0'))])
}

/** Of LOOKUP, GETATTR and the like: offset and size as READ has them. */
export function makeReadBody(offset: number, size: number): Buffer {
  return makeBody([0, 0, offset, 0, size, 0, 0, 0, 0, 0])
}

export function makeWriteBody(offset: number, data: string | Buffer): Buffer {
  const bytes = Buffer.from(data)
  return Buffer.concat([
    makeBody([0, 0, offset, 0, bytes.length, 0, 0, 0, 0, 0]),
    bytes,
  ])
}

export interface Reply {
  readonly errno: number
  readonly body: Buffer
}

export function decodeReply(reply: Buffer | undefined): Reply {
  if (reply === undefined) throw new Error('no reply')
  return { errno: -reply.readInt32LE(4), body: reply.subarray(16) }
}

/** Of a reply with an entry_out. */
export function nodeIdOf(reply: Buffer | undefined): number {
  const { errno, body } = decodeReply(reply)
  if (errno !== 0) throw new Error(`errno ${errno}`)
  return Number(body.readBigUInt64LE(0))
}

export interface FakeJournal extends JournalSink {
  readonly requests: { time: Time; request: Buffer; reply: Buffer }[]
  readonly drops: number[]
  failNext: boolean
}

function emptyState(): ServerState {
  const { nodes, nextId } = Tree.empty({ uid: 0, gid: 0 }, { sec: 1, nsec: 0 })
  return { nodes, nextId, recent: [] }
}

/** Its replies stay what they are when further ones are made. */
export class KeepingDispatcher extends Dispatcher {
  override dispatch(request: Buffer): Buffer | undefined {
    const reply = super.dispatch(request)
    return reply && Buffer.from(reply)
  }
}

/** A dispatcher with a journal in memory and a clock that counts seconds. */
export function makeDispatcher(
  settings: Partial<DispatcherSettings> = {},
  state = emptyState(),
): {
  dispatcher: Dispatcher
  journal: FakeJournal
  log: string[]
} {
  const log: string[] = []
  const journal: FakeJournal = {
    requests: [],
    drops: [],
    failNext: false,
    append: (time, request, reply) => {
      if (journal.failNext) throw new Error('ENOSPC')
      journal.requests.push({
        time,
        request: Buffer.from(request),
        reply: Buffer.from(reply),
      })
    },
    appendDrop: nodeId => journal.drops.push(nodeId),
    reload: emptyState,
  }
  let sec = 1000
  const dispatcher = new KeepingDispatcher(
    state,
    {
      answerOpens: false,
      isDaemonThread: tid => tid === DAEMON_TID,
      isStopping: () => false,
      now: () => ({ sec: sec++, nsec: 5 }),
      log: message => log.push(message),
      ...settings,
    },
    journal,
  )
  return { dispatcher, journal, log }
}
