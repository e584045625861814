import { readdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Places } from '../session/places.ts'
import { makePrivateDirectory } from '../session/private-directory.ts'
import { sessionsWithPods } from '../session/runtime-directory.ts'

export interface ClaimedDirectory {
  /** What it is called is the name of the session, on this disk. */
  readonly directory: string
  /** Of the name of a session. */
  isDead(name: string): boolean
  remove(): Promise<void>
}

/**
 * The place of a session's emptyDirs: on the disk, as a kubelet has them; the run-time
 * directory is on a small tmpfs on most machines. Takes away what killed sessions have left.
 *
 *     STATE/empty-dir/BOOT-RUNTIME-run-4711
 *
 * Another podfs may have the same disk and a run-time directory of its own (in a container,
 * say): whether its sessions live can only be said there, or after the next boot.
 */
export async function claimEmptyDirs(
  { runtime, state }: Places,
  session: string,
): Promise<ClaimedDirectory> {
  const all = path.join(state, 'empty-dir')
  const boot = (await readFile(bootIdFile, 'utf8')).trim()
  const { dev, ino } = await stat(runtime)
  const here = `${boot}-${dev}-${ino}-`
  makePrivateDirectory(all)
  // In this order: a session is there before its emptyDirs are.
  const found = await readdir(all)
  const alive = new Set(
    (await sessionsWithPods(runtime)).map(
      ({ directory }) => `${here}${path.basename(directory)}`,
    ),
  )
  const isDead = (name: string): boolean => {
    const isOthers = name.startsWith(boot) && !name.startsWith(here)
    return !isOthers && !alive.has(name)
  }
  for (const name of found) if (isDead(name)) await remove(path.join(all, name))
  const directory = path.join(all, `${here}${path.basename(session)}`)
  return {
    directory,
    isDead,
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** random(4): one for each boot, the same in every namespace. */
const bootIdFile = '/proc/sys/kernel/random/boot_id'

async function remove(directory: string): Promise<void> {
  // What cannot be removed is in nobody's way.
  await rm(directory, { recursive: true, force: true }).catch(() => undefined)
}
