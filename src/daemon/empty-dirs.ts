import { mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Places } from './places.ts'
import { listSessions } from './runtime-directory.ts'

/**
 * The place of a session's emptyDirs: on the disk, as a kubelet has them; the run-time
 * directory is on a small tmpfs on most machines. Takes away what killed sessions have left.
 *
 *     STATE/empty-dir/BOOT-RUNTIME/run-4711
 *
 * Another podfs may have the same disk and a run-time directory of its own (in a container,
 * say): whether its sessions live can only be said there, or after the next boot.
 */
export async function claimEmptyDirs(
  { runtime, state }: Places,
  session: string,
): Promise<{ readonly directory: string; remove(): Promise<void> }> {
  const all = path.join(state, 'empty-dir')
  const boot = (await readFile(bootIdFile, 'utf8')).trim()
  const { dev, ino } = await stat(runtime)
  const here = path.join(all, `${boot}-${dev}-${ino}`)
  await mkdir(here, { recursive: true, mode: 0o700 })
  for (const name of await readdir(all))
    if (!name.startsWith(boot)) await remove(path.join(all, name))
  const running = new Set(
    listSessions(runtime)
      .filter(({ running }) => running)
      .map(({ directory }) => path.basename(directory)),
  )
  // A session is there before its emptyDirs are.
  for (const name of await readdir(here))
    if (!running.has(name)) await remove(path.join(here, name))
  const directory = path.join(here, path.basename(session))
  return {
    directory,
    remove: async () => {
      await rm(directory, { recursive: true, force: true })
      // Of the last one.
      await rmdir(here).catch(() => undefined)
    },
  }
}

/** random(4): one for each boot, the same in every namespace. */
const bootIdFile = '/proc/sys/kernel/random/boot_id'

async function remove(directory: string): Promise<void> {
  // What cannot be removed is in nobody's way.
  await rm(directory, { recursive: true, force: true }).catch(() => undefined)
}
