import { readFileSync, writeFileSync } from 'node:fs'

const ownScore = '/proc/self/oom_score_adj'

/**
 * Starts a process that has this oom_score_adj from its first moment, and so has whoever descends
 * from it: a fork inherits it (proc_pid_oom_score_adj(5), -1000 to 1000). `start` is over when it
 * returns. Where this process may not lower it (CAP_SYS_RESOURCE) the new one has its own.
 */
export function withOomScore<T>(score: number | undefined, start: () => T): T {
  if (score === undefined) return start()
  const before = readFileSync(ownScore, 'utf8')
  try {
    writeFileSync(ownScore, String(score))
  } catch {
    return start()
  }
  try {
    return start()
  } finally {
    writeFileSync(ownScore, before)
  }
}
