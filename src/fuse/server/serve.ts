/**
 * The serving thread: read a request, answer it, for ever.
 *
 * At start, in this order: (1) the tree from the journal; (2) RESEND, with every start: what
 * a dead server had read and not answered comes again, and nothing else frees its callers;
 * (3) ask the kernel which of the nodes without a name it still knows: the FORGETs that a
 * dead server had read are lost.
 */
import { readSync, writeSync } from 'node:fs'
import { isThreadOf, readAdmission } from './admission.ts'
import {
  EXIT_CONNECTION_GONE,
  EXIT_NO_TREE,
  FUSE_FD,
  JOURNAL_FILES,
  SERVING_FD,
} from '../keeper/descriptors.ts'
import { Dispatcher, isResent } from './dispatch.ts'
import { EIO } from '../wire/errno.ts'
import { FaultPoints } from './fault-points.ts'
import { Journal } from './journal.ts'
import { type ServerState } from './snapshot.ts'
import {
  encodeInvalInode,
  encodeNotification,
  FUSE_NOTIFY_RESEND,
  REQUEST_BUFFER_SIZE,
  type Time,
} from '../wire/protocol.ts'
import { operationNames, operations } from '../wire/operations.ts'
import { replayJournal } from './replay-journal.ts'
import { serverLog } from './server-log.ts'
import type { SharedState } from './shared-state.ts'
import { Suspect } from './suspect.ts'
import { Views } from './views.ts'
import { errorCode } from '../../util/error-code.ts'

const CONTROL_MS = 1000
/** Behind the pid; where keeper.sh looks for it. */
const ANSWERED = Buffer.from('answered')
const ANSWERED_AT = 10

export function serve(options: {
  readonly shared: SharedState
  readonly answerOpens: boolean
  /** Wakes the control thread, if there is one, for a look at this one: watch-serving.ts. */
  readonly wake: () => void
  /**
   * Only the first server of a mount has it: before that one no other can have died with a request
   * that it had read. Starts the control thread, which takes as long as all the rest of the start:
   * with the first STATFS, by which the daemon asks for it, or with the first request that comes
   * more than a second after the start.
   */
  readonly startControl?: () => void
}): void {
  const { shared, wake } = options
  let { startControl } = options
  const faults = FaultPoints.fromEnvironment()
  // A resent request comes before the daemon can have connected to this server.
  shared.admittedPid = readAdmission(JOURNAL_FILES)?.pid ?? 0
  const { journal, state } = recover(faults)
  const suspect = new Suspect(JOURNAL_FILES)
  const dispatcher = new Dispatcher(
    state, // (1)
    {
      answerOpens: options.answerOpens,
      isDaemonThread: tid => isThreadOf(shared.admittedPid, tid),
      isStopping: () => shared.stopping,
      now,
      log: serverLog,
      onRequest: opcode => shared.count(opcode),
    },
    {
      append: (time, request, reply) => {
        faults?.at('changed')
        journal.append(time, request, reply)
        faults?.at('recorded')
      },
      appendDrop: nodeId => journal.appendDrop(nodeId),
      reload: () => replayJournal(Journal.read(JOURNAL_FILES)),
    },
  )
  faults?.at('replayed')
  // (2)
  const refused =
    faults?.pretendsNoResend === true
      ? 'EINVAL'
      : notify(encodeNotification(FUSE_NOTIFY_RESEND))
  // Before Linux 6.9 the callers of those requests would hang for ever. The keeper ends the
  // connection, which gives them an error, and the daemon makes another mount.
  if (refused === 'EINVAL' && startControl === undefined)
    // oxlint-disable-next-line unicorn/no-process-exit
    process.exit(EXIT_CONNECTION_GONE)
  faults?.at('resent')
  for (const node of dispatcher.tree.nodes.values())
    // (3)
    if (
      node.nlink === 0 &&
      notify(encodeInvalInode(node.id, false)) === 'ENOENT'
    )
      dispatcher.drop(node.id)

  const answer = (request: Buffer): void => {
    faults?.at('read')
    faults?.hang()
    faults?.atRequest(request.readUInt32LE(4))
    const reply = dispatcher.dispatch(request)
    if (reply !== undefined) writeReply(reply)
  }
  const answerSuspect = (request: Buffer): void => {
    if (suspect.begin(request.subarray(8, 16))) answer(request)
    else {
      const opcode = request.readUInt32LE(4)
      serverLog('a request that has killed three servers is answered EIO', {
        opcode,
        operation: operationNames[opcode],
      })
      writeReply(dispatcher.refuse(request, EIO))
    }
    suspect.end()
  }
  const requests = new Views(REQUEST_BUFFER_SIZE)
  let hasAnswered = false
  for (;;) {
    shared.nodes = dispatcher.tree.nodes.size
    shared.endTurn()
    const request = readRequest(requests)
    shared.beginTurn(request.readUInt32LE(4), wake)
    const resent = isResent(request)
    if (resent) answerSuspect(request)
    else answer(request)
    if (!hasAnswered) {
      hasAnswered = true
      sayAnswered()
    }
    faults?.at('replied')
    if (startControl !== undefined && isStartOver(request)) {
      startControl()
      startControl = undefined
    }
    if (journal.wantsCompaction || faults?.wantsCompaction === true) {
      if (faults !== undefined) faults.compacting = true
      try {
        journal.compact(dispatcher.state)
      } catch (error) {
        serverLog('journal: not compacted', { error: String(error) })
      }
      if (faults !== undefined) faults.compacting = false
    }
  }
}

/**
 * The tree of the journals. Without one this process ends for good: another server would find no
 * more than this one, and the daemon's fresh mount is right in any case.
 */
function recover(faults: FaultPoints | undefined): {
  journal: Journal
  state: ServerState
} {
  try {
    const { journal, contents } = Journal.open(JOURNAL_FILES, faults?.write)
    return { journal, state: replayJournal(contents) }
  } catch (error) {
    serverLog('the tree could not be recovered', { error: String(error) })
    // oxlint-disable-next-line unicorn/no-process-exit
    return process.exit(EXIT_NO_TREE)
  }
}

/** Tells the keeper, for which a server that has answered a request has not failed at its start. */
function sayAnswered(): void {
  try {
    writeSync(SERVING_FD, ANSWERED, 0, ANSWERED.length, ANSWERED_AT)
  } catch {
    // The keeper then takes its death for a failure, and the next server may come later.
  }
}

function isStartOver(request: Buffer): boolean {
  return (
    request.readUInt32LE(4) === operations.STATFS.opcode ||
    performance.now() > CONTROL_MS
  )
}

function now(): Time {
  const ms = performance.timeOrigin + performance.now()
  const sec = Math.floor(ms / 1000)
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) }
}

function readRequest(requests: Views): Buffer {
  const { memory } = requests
  for (;;) {
    try {
      const length = readSync(FUSE_FD, memory, 0, memory.length, null)
      return requests.ofLength(length)
    } catch (error) {
      const code = errorCode(error)
      // ENOENT: the request was taken back. EINTR: a signal.
      if (code === 'ENOENT' || code === 'EINTR' || code === 'EAGAIN') continue
      // Not mounted yet: the keeper starts the server first.
      if (code === 'EPERM') {
        sleepMs(1)
        continue
      }
      // ENODEV: unmounted, or aborted through fusectl. No thread waits in a read here, so
      // exit does not hang; a keeper that restarted now would do it for ever.
      // oxlint-disable-next-line unicorn/no-process-exit
      if (code === 'ENODEV') process.exit(EXIT_CONNECTION_GONE)
      throw error
    }
  }
}

function sleepMs(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function writeReply(reply: Buffer): void {
  try {
    writeSync(FUSE_FD, reply, 0, reply.length, null)
  } catch (error) {
    // ENOENT: its caller was killed, or the request was resent under another `unique`.
    if (errorCode(error) !== 'ENOENT')
      serverLog('the kernel refused a reply', { error: String(error) })
  }
}

/** The error's code, or undefined. ENOENT and EINVAL (an old kernel) are ordinary answers. */
function notify(notification: Buffer): string | undefined {
  try {
    writeSync(FUSE_FD, notification)
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}
