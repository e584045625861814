/**
 * RUNTIME/ID/said, a pipe that the keeper makes: what has to be said to whichever daemon a mount
 * has, also to one that has adopted it, a line each:
 *
 *     stopped PID          the server was stopped (SIGSTOP) two seconds ago; from the keeper
 *     hung PID OPERATION   it has worked on one request since then; from its control thread
 *     back-off SECONDS N   N servers died before they had answered anything; the next one is
 *                          started after a pause; from the keeper
 *
 * The daemon has it open for reading and writing, so it never ends; without a daemon nothing stays
 * in it.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Logger } from '../../util/logger.ts'

const PIPE = 'said'

/**
 * Logs an error for each line until the returned function is called. Does nothing for the mount of
 * a podfs that had no such pipe.
 */
export function hearServerTrouble(
  directory: string,
  logger: Pick<Logger, 'error'>,
): () => void {
  let file: number
  try {
    const flags = constants.O_RDWR | constants.O_NONBLOCK
    file = openSync(join(directory, PIPE), flags)
  } catch {
    return () => undefined
  }
  const pipe = new Socket({ fd: file, readable: true, writable: false })
  pipe.on('error', () => undefined)
  pipe.unref()
  createInterface({ input: pipe }).on('line', line => {
    const [what, first, second] = line.split(' ')
    const facts = { mount: directory, serverPid: Number(first) }
    if (what === 'stopped')
      logger.error(
        facts,
        'the file server is stopped (SIGSTOP) and answers nothing; another one takes its place if it does not go on within 8 s',
      )
    if (what === 'hung')
      logger.error(
        { ...facts, operation: second },
        'the file server has worked on one request for 2 s and answers no other; another one takes its place if it does not go on within 8 s',
      )
    if (what === 'back-off')
      logger.error(
        { mount: directory, seconds: Number(first), deaths: Number(second) },
        'fuse servers die before they answer anything; the next one is started later',
      )
  })
  return () => pipe.destroy()
}

/** Of this server. Nobody may be listening. */
export function sayToDaemon(directory: string, line: string): void {
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK
    const file = openSync(join(directory, PIPE), flags)
    try {
      writeSync(file, line + '\n')
    } finally {
      closeSync(file)
    }
  } catch {
    // ENXIO: there is no daemon.
  }
}
