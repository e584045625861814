import { readFile } from 'node:fs/promises'

/**
 * A process that cannot be mistaken for a later one with the same number: its start time, in
 * clock ticks since boot, is the 22nd field of /proc/PID/stat (proc(5)).
 */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTime: string
}

/** Undefined when there is no such process. */
export async function identityOf(
  pid: number,
): Promise<ProcessIdentity | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field, the program's name in brackets, may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended; its parent has only not looked yet.
    if (fields[0] === 'Z') return undefined
    return { pid, startTime: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await identityOf(identity.pid))?.startTime === identity.startTime
}
