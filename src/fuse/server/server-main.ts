/**
 * The fuse server: the process that answers the kernel. One file runs as two threads.
 *
 * - The main thread sits in read(/dev/fuse) and never yields; it owns the tree. It reads on
 *   the main thread and not in a Worker, which is ready later: from the start of a mount to
 *   the first byte 71 ms against 49, from a kill to the first reply 74 against 56 (measured).
 * - The Worker has the control socket, see control.ts. What it must tell the other thread
 *   goes through shared memory: a message would never be received.
 *
 * Descriptors, all inherited from the keeper: 3 /dev/fuse, 4 and 5 the journals, 6 the daemon's
 * pipe, 9 what keeps a second server from answering, see keeper.sh.
 *
 * Arguments: the runtime directory; the keeper's pid; `answer-opens` or `no-opens`; the role; the
 * words with which the keeper was started. The role is `active` for the first server, `successor`,
 * or `standby`. A standby gets everything ready and waits on descriptor 0: a line there means that
 * the server before it is dead, and that it serves now; end of file means that the keeper is gone,
 * and then it starts another.
 */
import { readSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { optimizeEarlier } from './optimize-earlier.ts'
import { serve } from './serve.ts'
import { serverLog } from './server-log.ts'
import { SharedState } from './shared-state.ts'
import type { KeeperOrigin } from './start-next-keeper.ts'
import { hasCode } from '../../util/error-code.ts'

const [
  directory = '',
  keeperPid = '0',
  opens = '',
  role = 'active',
  ...keeper
] = process.argv.slice(2)
const origin: KeeperOrigin = {
  directory,
  keeperPid: Number(keeperPid),
  keeper,
}

// Without a listener Node answers it with an inspector, which every user can reach.
if (isMainThread) process.on('SIGUSR1', () => {})

// What the first server does not need is loaded only where it is needed: every start of a mount
// waits for that server.
if (!isMainThread) runControlThread().catch(fail)
else if (role === 'standby') standBy().catch(fail)
else serveAs(SharedState.create())

/**
 * What is half there must not go on: a server without its control thread could not be stopped in
 * good order. Another one takes its place.
 */
function fail(error: unknown): void {
  serverLog('fuse server failed', { error: String(error) })
  process.kill(process.pid, 'SIGKILL')
}

async function runControlThread(): Promise<void> {
  const { runControl } = await import('./control.ts')
  const shared = new SharedState(workerData as SharedArrayBuffer)
  shared.waitUntilActive()
  runControl({ shared, origin })
}

async function standBy(): Promise<void> {
  const shared = SharedState.create()
  startControlThread(shared)
  const { rehearse } = await import('./rehearse.ts')
  const { startNextKeeper } = await import('./start-next-keeper.ts')
  try {
    rehearse()
  } catch (error) {
    // The journal was just being made anew, say. If it has no tree, that counts at its turn.
    serverLog('standby: not rehearsed', { error: String(error) })
  }
  if (waitForTurn()) return serveAs(shared)
  startNextKeeper(origin, origin.keeperPid)
  // Not process.exit: the Worker waits too, and exit would wait for it.
  process.kill(process.pid, 'SIGKILL')
}

let control: Worker | undefined

function serveAs(shared: SharedState): void {
  if (role === 'successor') startControlThread(shared)
  shared.activate()
  serve({
    shared,
    answerOpens: opens === 'answer-opens',
    // Sent although this thread never yields.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    wake: () => control?.postMessage('at work'),
    ...(role === 'active'
      ? {
          startControl: () => {
            startControlThread(shared)
            optimizeEarlier()
          },
        }
      : {}),
  })
}

function startControlThread(shared: SharedState): void {
  // Not `__filename`: this file is written as a module, and bundled.
  control = new Worker(process.argv[1] as string, {
    argv: process.argv.slice(2),
    workerData: shared.memory,
  })
}

/** False at the end of file. */
function waitForTurn(): boolean {
  for (;;) {
    try {
      return readSync(0, Buffer.alloc(8)) > 0
    } catch (error) {
      if (!hasCode(error, 'EINTR')) throw error
    }
  }
}
