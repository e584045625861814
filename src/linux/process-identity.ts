import { readFileSync } from 'node:fs'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since the machine started: the 22nd field of /proc/PID/stat (proc(5)). */
  readonly startTime: number
}

/**
 * The start time of a process, or undefined when there is none. One that has ended and is not
 * reaped yet (state Z: its new parent may take its time) is none.
 */
export function processStartTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the command in parentheses and may hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : Number(fields[22 - 3])
  } catch {
    return undefined
  }
}

export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = processStartTime(pid)
  return startTime === undefined ? undefined : { pid, startTime }
}

export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return processStartTime(pid) === startTime
}
