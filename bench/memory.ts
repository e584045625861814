import { readdirSync, readFileSync } from 'node:fs'

/** A process and everything that descends from it, keeper, server and standby included. */
export function processesBelow(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The name of the program, in parentheses, may hold anything.
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      parents.set(Number(name), Number(parent))
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid]
  for (const ancestor of found)
    for (const [child, parent] of parents)
      if (parent === ancestor) found.push(child)
  return found
}

/** Proportional set size in MiB: what is shared counts once. */
export function pssOf(pids: readonly number[]): number {
  let kib = 0
  for (const pid of pids)
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
      kib += Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0)
    } catch {
      // It has ended meanwhile.
    }
  return kib / 1024
}

/** `node 45, sh 1, ...`: what the sum is made of. */
export function commandOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  return words
    .slice(0, 3)
    .map(word => word.replace(/.*\//, ''))
    .filter(word => /^(node|sh|podfs|fuse-server|keeper)/.test(word))
    .join(' ')
}
