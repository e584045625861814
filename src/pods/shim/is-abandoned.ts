import { readFile } from 'node:fs/promises'
import { keeperOf } from '../../fuse/mount/keeper-of.ts'
import { serverGone } from '../../fuse/mount/server-gone.ts'
import { hasPlainDirectory } from '../../volumes/plain-directory.ts'
import { type Session, sessionFile } from '../../session/session-file.ts'

/** Whether nobody holds the mount of a session: it was unmounted, or its keepers were killed. */
export async function isAbandoned(directory: string): Promise<boolean> {
  const mount = await mountDirectoryOf(directory)
  if (mount === undefined) return true
  if ((await keeperOf(mount)) !== undefined) return false
  return !(await hasPlainDirectory(directory))
}

/**
 * Resolves when it may have become so: the server of the session's mount has ended. At once where
 * podfs's own file server does not serve it, and when `signal` aborts.
 */
export async function mayBeAbandoned(
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const mount = await mountDirectoryOf(directory)
  if (mount !== undefined) await serverGone(mount, signal)
}

/** Undefined: the session is gone. */
async function mountDirectoryOf(
  directory: string,
): Promise<string | undefined> {
  const text = await readFile(sessionFile(directory), 'utf8').catch(() => '')
  if (text === '') return undefined
  const { mountDirectory = directory } = JSON.parse(text) as Session
  return mountDirectory
}
