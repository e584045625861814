import { writeFileSync } from 'node:fs'

/**
 * How soon a process, and who descends from it afterwards, is killed for want of memory:
 * proc_pid_oom_score_adj(5), -1000 to 1000. Nothing where it has just ended, or where this process
 * may not lower it (CAP_SYS_RESOURCE).
 */
export function adjustOomScore(pid: number, score: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(score))
  } catch {
    // It stays as podfs's own.
  }
}
