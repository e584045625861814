import { closeSync, constants, fchownSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable } from 'node:stream'

/*
 * A container's stdout and stderr are pipes, as with every container engine: programs open
 * /dev/stdout or /proc/1/fd/1, and what child_process calls a pipe is a socket, which cannot
 * be opened (ENXIO). Node cannot make a pipe, but can open a FIFO, and the setup script makes
 * two.
 */
export interface OutputPipe {
  readonly readable: Readable
  /** For the child; must be closed here, or the end of the output never comes. */
  readonly writeEnd: number
}

/** `owner` may open it again by /dev/stdout. */
export function openOutputPipe(
  fifo: string,
  owner?: { readonly uid: number; readonly gid: number },
): OutputPipe {
  // This order and O_NONBLOCK: neither open waits for the other side.
  const readEnd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  let writeEnd: number | undefined
  try {
    writeEnd = openSync(fifo, constants.O_WRONLY)
    if (owner) fchownSync(writeEnd, owner.uid, owner.gid)
    const readable = new Socket({
      fd: readEnd,
      readable: true,
      writable: false,
    })
    return { readable, writeEnd }
  } catch (error) {
    closeSync(readEnd)
    if (writeEnd !== undefined) closeSync(writeEnd)
    throw error
  }
}
