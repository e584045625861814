/**
 * The programs of an adopted mount: podfs's own, and not those of the podfs before it, whose
 * directory may be gone at the next death of a server.
 *
 * The keeper has them in its arguments and hands them on. A file in the runtime directory says
 * which to take instead; a standby that starts another keeper reads it. So the keeper is killed:
 * the standby starts this podfs's, and that replaces the server, which programs in the mount
 * notice no more than any other death of the two (docs/reliability.md).
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { release, uptime } from 'node:os'
import { join } from 'node:path'
import { isAtLeast, resendSince } from '../../linux/is-at-least.ts'
import { processStartTime } from '../../linux/process-identity.ts'
import { JOURNAL_FILES, type JournalFiles } from '../keeper/descriptors.ts'
import { entryPoints } from './entry-points.ts'
import {
  NODE_AT,
  PROGRAMS,
  type Programs,
  SCRIPT_AT,
  SERVER_AT,
} from '../keeper/keeper-words.ts'
import { isKeeper } from '../keeper/is-keeper.ts'
import { Journal } from '../server/journal.ts'

/** Of proc(5)'s start times; the same on all that Node runs on. */
const TICKS_PER_SECOND = 100

/**
 * Gives the mount of a runtime directory this podfs's programs, unless its keeper was started
 * with them, or the journals are of a version that they cannot read: then the mount goes on
 * with its own. Before Linux 6.9 a server's death is noticed: there they come with the next one.
 */
export async function useOwnPrograms(
  directory: string,
  keeperPid: number,
): Promise<void> {
  const { server, keeper: script } = entryPoints()
  const own: Programs = { script, node: process.execPath, server }
  try {
    if (await isStartedWith(own, keeperPid)) return
    if (!canReadJournals(keeperPid)) return
    // Half-written it says nothing: who reads it takes what it was started with.
    const mode = 0o600
    await writeFile(join(directory, PROGRAMS), JSON.stringify(own), { mode })
    if (!isAtLeast(release(), resendSince)) return
    // The number may be another process's by now.
    if (await isKeeper(keeperPid, directory)) process.kill(keeperPid, 'SIGKILL')
  } catch {
    // No room for the file, or the keeper has just been killed: the mount is served as before.
  }
}

async function isStartedWith(
  { script, node, server }: Programs,
  keeperPid: number,
): Promise<boolean> {
  const words = (await readFile(`/proc/${keeperPid}/cmdline`, 'utf8'))
    .split('\0')
    .slice(1)
  if (
    words[SCRIPT_AT] !== script ||
    words[NODE_AT] !== node ||
    words[SERVER_AT] !== server
  )
    return false
  // The same place may hold a newer version by now.
  const ticks = processStartTime(keeperPid) ?? 0
  const startedAt = Date.now() - (uptime() - ticks / TICKS_PER_SECOND) * 1000
  return [script, server].every(file => statSync(file).mtimeMs < startedAt)
}

function canReadJournals(keeperPid: number): boolean {
  const files: number[] = []
  try {
    for (const file of JOURNAL_FILES)
      files.push(openSync(`/proc/${keeperPid}/fd/${file}`, 'r'))
    return Journal.isReadable(files as unknown as JournalFiles)
  } catch {
    // The keeper has just been killed; another one may come.
    return false
  } finally {
    for (const file of files) closeSync(file)
  }
}
