import { spawnSync } from 'node:child_process'
import { processesBelow } from './memory.ts'

/** The core of the servers and their reader in rows that count round trips. */
const CORE = '0'
const program = 'taskset'

/**
 * Puts a process, and all that descend from it, on one core. A round trip to a server on the
 * same core takes 9 µs; to one on a core that sleeps, in a virtual machine, 70 µs; and the
 * scheduler chooses anew in each round. Without taskset it does nothing.
 */
export function pin(pid: number | undefined): void {
  if (pid === undefined) return
  for (const process of processesBelow(pid))
    spawnSync(program, ['-apc', CORE, String(process)], { stdio: 'ignore' })
}
