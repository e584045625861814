import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Places } from './places.ts'
import { listSessions } from './runtime-directory.ts'

/**
 * The place of a session's emptyDirs: on the disk, as a kubelet has them; the run-time
 * directory is on a small tmpfs on most machines. Takes away what killed sessions have left.
 */
export async function claimEmptyDirs(
  { runtime, state }: Places,
  session: string,
): Promise<{ readonly directory: string; remove(): Promise<void> }> {
  const all = path.join(state, 'empty-dir')
  await mkdir(all, { recursive: true, mode: 0o700 })
  const running = new Set(
    (await listSessions(runtime))
      .filter(({ running }) => running)
      .map(({ directory }) => path.basename(directory)),
  )
  const remove = (name: string): Promise<void> =>
    rm(path.join(all, name), { recursive: true, force: true })
  // A session is there before its emptyDirs are.
  for (const name of await readdir(all))
    if (!running.has(name)) await remove(name).catch(() => undefined)
  const own = path.basename(session)
  return { directory: path.join(all, own), remove: () => remove(own) }
}
