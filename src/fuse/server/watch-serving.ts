import { parentPort } from 'node:worker_threads'
import { sayToDaemon } from '../keeper/daemon-pipe.ts'
import { operationNames } from '../wire/operations.ts'
import type { SharedState } from './shared-state.ts'

const LOOK_MS = 1000
/** Looks that find the same request at work: then it is told, then the server ends. */
const TOLD_AFTER = 2
const REPLACED_AFTER = 10

/**
 * Ends this server when its serving thread has worked on one request for ten seconds, and tells
 * of it after two: an endless loop would let whoever asked wait for ever. The next server
 * gets the request again. One that is stopped is the keeper's matter, see keeper.sh.
 *
 * Looks once a second while there are requests; with the first one after a pause the serving
 * thread sends a message. Looks are counted, not time: a process that was stopped, or a machine
 * that slept, has not hung.
 */
export function watchServing(
  shared: SharedState,
  directory: string,
  end: () => void,
): void {
  let turn = 0
  let looks = 0
  const look = (): void => {
    const before = turn
    turn = shared.turn
    const isSame = turn === before
    const isAtWork = (turn & 1) === 1
    looks = isSame && isAtWork ? looks + 1 : 0
    if (looks === TOLD_AFTER)
      sayToDaemon(
        directory,
        `hung ${process.pid} ${operationNames[shared.opcode] ?? 'none'}`,
      )
    if (looks === REPLACED_AFTER) return end()
    if (isSame && !isAtWork && shared.rest(turn)) return
    setTimeout(look, LOOK_MS)
  }
  parentPort?.on('message', look)
  look()
}
