import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processStartTime } from '../../linux/process-identity.ts'
import { ControlClient } from './control-client.ts'
import { nextKeeperOf } from './keeper-of.ts'

const STEP_MS = 5

/**
 * Ends a mount whose daemon is gone but whose keeper serves on (`--detach`, or the 30 s of
 * `mount`), given its runtime directory. False when it has no keeper.
 */
export async function stopAbandonedMount(directory: string): Promise<boolean> {
  let pid = await nextKeeperOf(directory)
  if (pid === undefined) return false
  // More than once only when it was killed meanwhile, and another one takes its place.
  for (; pid !== undefined; pid = await nextKeeperOf(directory)) {
    const startTime = processStartTime(pid)
    if (startTime === undefined) continue
    const control = new ControlClient(join(directory, 'control.sock'))
    if (await control.connected(1000)) await control.ask('stop-prepare')
    control.close()
    const isThere = (): boolean => processStartTime(pid as number) === startTime
    // That took its time: it may have ended by itself.
    if (isThere()) process.kill(pid, 'SIGTERM')
    while (isThere()) await delay(STEP_MS)
  }
  return true
}
