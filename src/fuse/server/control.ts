/**
 * The control socket of a server: lines from the daemon, one answer line each.
 *
 *     admit PID STARTTIME   its threads may change the tree, for as long as this connection lives
 *     stop-prepare          answer nothing any more and make the kernel forget all it cached
 *     stats                 nodes, and requests per operation since this server started
 *
 * An answer is `ok JSON` or `error TEXT`. The first line that a client gets is `podfs PID`.
 * Who may connect: whoever may enter the runtime directory (0700).
 *
 * This thread owes the kernel no replies, so it may send the notifications that wait for
 * one (docs/fuse.md#notifications); the serving thread would wait for itself.
 */
import { chmodSync, rmSync, writeSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { writeAdmission } from './admission.ts'
import { FUSE_FD, JOURNAL_FILES } from '../keeper/descriptors.ts'
import { isKeeper, keeperNamed } from '../keeper/is-keeper.ts'
import { Journal } from './journal.ts'
import { keeperGone } from './keeper-gone.ts'
import { operations } from '../wire/operations.ts'
import {
  encodeInvalInode,
  encodeNotification,
  FUSE_NOTIFY_INC_EPOCH,
} from '../wire/protocol.ts'
import { replayJournal } from './replay-journal.ts'
import { serverLog } from './server-log.ts'
import type { SharedState } from './shared-state.ts'
import { type KeeperOrigin, startNextKeeper } from './start-next-keeper.ts'
import { watchServing } from './watch-serving.ts'
import { inBackground } from '../../util/in-background.ts'

/** How long the admission that a predecessor left is kept without a daemon that connects. */
const RECONNECT_MS = 5000
const KEEPER_CHECK_MS = 1000

export interface ControlOptions {
  readonly shared: SharedState
  readonly origin: KeeperOrigin
}

export function runControl(options: ControlOptions): void {
  const { shared, origin } = options
  let admitted: Socket | undefined
  // A server without control must not go on: nobody could stop it in good order.
  process.on('uncaughtException', error => {
    serverLog('control thread failed', { error: String(error) })
    die()
  })

  const withdraw = (): void => {
    admitted = undefined
    shared.admittedPid = 0
    writeAdmission(JOURNAL_FILES, undefined)
  }
  const admit = (socket: Socket, pid: number, startTime: number): void => {
    writeAdmission(JOURNAL_FILES, { pid, startTime })
    shared.admittedPid = pid
    admitted = socket
  }
  watchServing(shared, origin.directory, die)
  setTimeout(() => {
    if (admitted === undefined) withdraw()
  }, RECONNECT_MS)

  // When the keeper dies the standby starts another one, which takes care of this server. If there
  // was no standby, or the new keeper was killed before it had one, this server starts a keeper:
  // without one nobody would ever end it.
  let checks = 0
  const checkKeeper = async (): Promise<void> => {
    if (process.ppid === origin.keeperPid) return
    const { directory } = origin
    // The keeper that the directory names now: the one that started this server may have had a
    // successor, which may be dead, too.
    const named = await keeperNamed(directory)
    if (named !== undefined && (await isKeeper(named, directory))) checks = 0
    else checks++
    if (named !== undefined && checks > 0 && checks % 2 === 0)
      startNextKeeper(origin, named)
    if (checks > 5 && admitted === undefined) die()
  }
  inBackground(
    keeperGone(origin.directory).then(() =>
      setInterval(() => inBackground(checkKeeper()), KEEPER_CHECK_MS),
    ),
  )

  const answer = (socket: Socket, line: string): string => {
    const [command = '', ...words] = line.split(' ')
    switch (command) {
      case 'admit':
        admit(socket, Number(words[0]), Number(words[1]))
        return 'ok {}'
      case 'stop-prepare':
        return `ok ${JSON.stringify({ invalidated: stopPrepare(shared) })}`
      case 'stats':
        return `ok ${JSON.stringify(stats(shared))}`
      default:
        return 'error unknown command'
    }
  }

  const path = join(origin.directory, 'control.sock')
  rmSync(path, { force: true }) // a killed predecessor's
  const server = createServer(socket => {
    socket.setEncoding('utf8')
    socket.on('error', () => undefined) // `close` follows
    socket.on('close', () => {
      if (socket === admitted) withdraw()
    })
    let rest = ''
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) socket.write(answer(socket, line) + '\n')
    })
    socket.write(`podfs ${process.pid}\n`)
  })
  server.listen(path, () => chmodSync(path, 0o600))
}

function die(): never {
  // Not process.exit: in a Worker that ends the thread, and from the main thread it hangs.
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}

/**
 * What the kernel has cached stays readable after the connection ends, in every mount
 * namespace that holds a copy; so it is invalidated first. Returns the number of nodes.
 */
function stopPrepare(shared: SharedState): number {
  // First: what is dropped must not be read and cached again.
  shared.stop()
  notify(encodeNotification(FUSE_NOTIFY_INC_EPOCH))
  const { nodes } = replayJournal(Journal.read(JOURNAL_FILES))
  for (const id of nodes.keys()) notify(encodeInvalInode(id, true))
  return nodes.size
}

function notify(notification: Buffer): void {
  try {
    writeSync(FUSE_FD, notification)
  } catch {
    // ENOENT: not cached. EINVAL: a kernel without INC_EPOCH.
  }
}

function stats(shared: SharedState): Record<string, number> {
  const counts: Record<string, number> = { nodes: shared.nodes }
  for (const [name, { opcode }] of Object.entries(operations)) {
    const count = shared.countOf(opcode)
    if (count > 0) counts[name] = count
  }
  return counts
}
