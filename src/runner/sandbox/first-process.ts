import { readdirSync } from 'node:fs'
import type { Clock } from '../../util/clock.ts'
import { textOf } from '../../util/text-of.ts'

/**
 * Waits until the child of `monitor` is the program, and resolves with its pid as the host
 * numbers it; with undefined when the monitor has ended first. No event tells of another
 * process's fork and exec, so this looks, every millisecond, for the few that it takes; and
 * synchronously: by way of the thread pool a look would take longer than the exec.
 */
export async function findFirstProcess(options: {
  readonly clock: Clock
  readonly monitor: number
  /** Command lines of the child while it is not yet the program. */
  readonly preludes: ReadonlySet<string>
  readonly hasEnded: () => boolean
}): Promise<number | undefined> {
  const { clock, monitor, preludes, hasEnded } = options
  while (!hasEnded()) {
    const [child] = childrenOf(monitor)
    if (child !== undefined) {
      const cmdline = textOf(`/proc/${child}/cmdline`)
      // Empty: it is ending, or already a zombie; the monitor will follow.
      if (cmdline !== undefined && cmdline !== '' && !preludes.has(cmdline))
        return child
    }
    await clock.sleep(1)
  }
  return undefined
}

function childrenOf(pid: number): number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`)
  // Kernels without CONFIG_PROC_CHILDREN do not have the file.
  if (children === undefined) return scanForChildren(pid)
  return children
    .split(' ')
    .filter(child => child !== '')
    .map(Number)
}

function scanForChildren(parent: number): number[] {
  const children: number[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = textOf(`/proc/${name}/status`)
    if (status !== undefined && status.includes(`\nPPid:\t${parent}\n`))
      children.push(Number(name))
  }
  return children
}
