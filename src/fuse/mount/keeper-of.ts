import { setTimeout as delay } from 'node:timers/promises'
import { isDeadMount } from './is-dead-mount.ts'
import { isKeeper, keeperNamed } from '../keeper/is-keeper.ts'
import { mountOf } from './mount-of.ts'
import { PODFS_TYPE } from '../../linux/mountinfo.ts'

const STEP_MS = 10
const SERVED_MS = 200
/** A keeper that was killed has another one in its place sooner than this. */
export const KEEPER_GONE_MS = 5000

/** The keeper of a runtime directory's mount, while there is one. */
export async function keeperOf(directory: string): Promise<number | undefined> {
  const pid = await keeperNamed(directory)
  return pid !== undefined && (await isKeeper(pid, directory)) ? pid : undefined
}

/**
 * The same; but where the keeper was killed and a server still answers, this waits for the next
 * keeper, which the standby is about to start.
 */
export async function nextKeeperOf(
  directory: string,
): Promise<number | undefined> {
  const pid = await keeperOf(directory)
  if (pid !== undefined || !(await isServed(directory))) return pid
  for (let waited = 0; waited < KEEPER_GONE_MS; waited += STEP_MS) {
    const next = await keeperOf(directory)
    if (next !== undefined) return next
    // Its last server may have been killed meanwhile.
    if (waited % SERVED_MS === 0 && !(await isServed(directory))) break
    await delay(STEP_MS)
  }
  return undefined
}

async function isServed(directory: string): Promise<boolean> {
  const mount = await mountOf(directory)
  return mount?.type === PODFS_TYPE && !(await isDeadMount(mount.mountpoint))
}
