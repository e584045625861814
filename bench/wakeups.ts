import { readdirSync, readFileSync } from 'node:fs'

/**
 * How often the threads of these processes have gone to sleep by themselves, and so were woken:
 * voluntary_ctxt_switches of proc(5).
 */
export function wakeupsOf(pids: readonly number[]): number {
  let sum = 0
  for (const pid of pids)
    try {
      for (const task of readdirSync(`/proc/${pid}/task`)) {
        const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8')
        sum += Number(
          /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0,
        )
      }
    } catch {
      // It has ended meanwhile.
    }
  return sum
}

/** User and system, of processes that live. The kernel counts in hundredths of a second. */
export function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) * 10
  }, 0)
}
