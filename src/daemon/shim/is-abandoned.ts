import { readFile } from 'node:fs/promises'
import { keeperOf } from '../../fuse/keeper-of.ts'
import { hasPlainDirectory } from '../../volumes/plain-directory.ts'
import { type Session, sessionFile } from '../session-file.ts'

/** Whether nobody holds the mount of a session: it was unmounted, or its keepers were killed. */
export async function isAbandoned(directory: string): Promise<boolean> {
  const text = await readFile(sessionFile(directory), 'utf8').catch(() => '')
  if (text === '') return true
  const { mountDirectory = directory } = JSON.parse(text) as Session
  if ((await keeperOf(mountDirectory)) !== undefined) return false
  return !(await hasPlainDirectory(directory))
}
