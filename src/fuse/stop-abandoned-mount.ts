import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ControlClient } from './control-client.ts'
import { isKeeper } from './is-keeper.ts'
import { processStartTime } from '../util/process-identity.ts'

const STEP_MS = 5

/**
 * Ends a mount whose daemon is gone but whose keeper serves on (`--detach`, or the 30 s of
 * `mount`), given its runtime directory. False when it has no keeper.
 */
export async function stopAbandonedMount(directory: string): Promise<boolean> {
  const pid = Number(
    await readFile(join(directory, 'keeper.pid'), 'latin1').catch(() => '0'),
  )
  const startTime = pid > 1 ? processStartTime(pid) : undefined
  if (startTime === undefined || !(await isKeeper(pid, directory))) return false
  const control = new ControlClient(join(directory, 'control.sock'))
  if (await control.connected(1000)) await control.ask('stop-prepare')
  control.close()
  process.kill(pid, 'SIGTERM')
  while (processStartTime(pid) === startTime) await delay(STEP_MS)
  return true
}
