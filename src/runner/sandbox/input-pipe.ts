import { spawn } from 'node:child_process'
import { closeSync, constants, fchownSync, openSync } from 'node:fs'
import { once } from 'node:events'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { type MachineTools, systemPath } from '../../linux/machine-tools.ts'

export interface InputPipe {
  readonly writable: Writable
  /** For the child; must be closed here, or nobody notices that it has gone. */
  readonly readEnd: number
}

/**
 * A shell can make a pipe, and tells who has it. It is no FIFO, as those of the output are: who
 * opens /dev/stdin of a FIFO that nobody writes to any more waits for ever, and of a pipe finds
 * its end.
 */
const script = `exec 3<&0; : | sh -c 'exec 4<&0; echo $$; read -r end <&3'`

/** A container's standard input; `owner` may open it again by /dev/stdin. */
export async function openInputPipe(
  tools: MachineTools,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<InputPipe> {
  const maker = spawn(tools.sh, ['-c', script], {
    cwd: '/',
    env: { PATH: systemPath },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  const gone = once(maker, 'close')
  let readEnd: number | undefined
  try {
    const [pid] = (await Promise.race([
      once(maker.stdout, 'data'),
      gone.then(() => {
        throw new Error('the shell made no pipe')
      }),
    ])) as [Buffer]
    const pipe = `/proc/${pid.toString().trim()}/fd/4`
    readEnd = openSync(pipe, constants.O_RDONLY)
    if (owner) fchownSync(readEnd, owner.uid, owner.gid)
    const fd = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
    const writable = new Socket({ fd, readable: false, writable: true })
    // Nobody reads it any more: 'close' follows.
    writable.on('error', () => undefined)
    return { writable, readEnd }
  } catch (error) {
    if (readEnd !== undefined) closeSync(readEnd)
    throw error
  } finally {
    maker.stdin.end()
  }
}
