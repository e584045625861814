import { closeSync, constants, openSync, readSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'

/** See keeper.sh. */
const PIPE = 'alive'

/**
 * Resolves when a mount that had a keeper has none, if only for the moment until another one
 * takes its place: a pipe has ended whose other end is the keeper's alone. At once where that
 * pipe is missing: of a keeper that had no room for it.
 */
export async function keeperGone(directory: string): Promise<void> {
  let file: number
  try {
    const flags = constants.O_RDONLY | constants.O_NONBLOCK
    file = openSync(join(directory, PIPE), flags)
  } catch {
    return
  }
  // A poll tells of no end that was there before this end was opened; a read does.
  if (hasEnded(file)) return closeSync(file)
  const pipe = new Socket({ fd: file, readable: true, writable: false })
  pipe.on('error', () => undefined) // `close` follows
  pipe.resume()
  await new Promise<void>(resolve => pipe.once('close', () => resolve()))
}

function hasEnded(file: number): boolean {
  try {
    return readSync(file, Buffer.alloc(1)) === 0
  } catch {
    // EAGAIN: the keeper has it open.
    return false
  }
}
