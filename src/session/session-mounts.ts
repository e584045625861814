import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { cleanUpMount } from '../fuse/mount/clean-up-mount.ts'
import { isUsersMountOf, mountOf } from '../fuse/mount/mount-of.ts'
import { podfsMounts } from '../linux/mountinfo.ts'
import { stopAbandonedMount } from '../fuse/mount/stop-abandoned-mount.ts'

/*
 * The mounts that a session has had: RUNTIME/ID/rw, and RUNTIME/ID/again-X/rw for each that took
 * the place of a lost one (renewed-mount.ts). A podfs that was killed meanwhile leaves more than
 * one: the dead one, or the next one before anybody was told of it.
 */

export const againPrefix = 'again-'

/** Ends them, whether somebody serves them or not, and takes them away. */
export async function clearMounts(session: string): Promise<void> {
  for (const directory of await mountDirectories(session))
    await clearMount(directory)
}

/** Of a session whose mount is another one: those that nobody has been shown. */
export async function clearUnshownMounts(
  session: string,
  current: string,
): Promise<void> {
  for (const directory of await mountDirectories(session)) {
    if (directory === current) continue
    const isMounted = (await mountOf(directory)) !== undefined
    if (isMounted && !(await isShown(directory))) await clearMount(directory)
  }
}

/**
 * Whether the mount of RUNTIME/ID or RUNTIME/ID/again-X can be seen: anywhere else, or because it
 * is an ordinary user's.
 */
export async function isShown(directory: string): Promise<boolean> {
  const mount = await mountOf(directory)
  if (mount === undefined) return false
  if (isUsersMountOf(mount, directory)) return true
  const mounts = await podfsMounts()
  return mounts.filter(each => each.device === mount.device).length > 1
}

async function mountDirectories(session: string): Promise<string[]> {
  const names = await readdir(session).catch(() => [])
  const again = names.filter(name => name.startsWith(againPrefix))
  return [session, ...again.map(name => path.join(session, name))]
}

async function clearMount(directory: string): Promise<void> {
  await stopAbandonedMount(directory)
  // Its keeper may have been killed, too: then nobody else unmounts.
  const mounted = await mountOf(directory)
  await cleanUpMount(directory, mounted?.device)
}
