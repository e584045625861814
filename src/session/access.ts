import { chmod, chown, stat } from 'node:fs/promises'
import { findGroup, readAccounts } from '../runner/launch/accounts.ts'
import { Failure } from '../util/failure.ts'

/** Owner, group and mode of a directory that lets in whom it is to. */
export interface Access {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/**
 * What the setting `access` means: `owner` is the user who runs podfs. Throws a Failure when
 * there is no such group; it names `place`, where the setting stands.
 */
export function accessOf(setting: string, place = 'access'): Access {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  if (setting === 'owner') return { ...owner, mode: 0o700 }
  if (setting === 'everybody') return { ...owner, mode: 0o755 }
  const group = setting.replace(/^group:/, '')
  const gid = /^\d+$/.test(group)
    ? Number(group)
    : findGroup(readAccounts(), group)
  if (gid === undefined)
    throw new Failure('usage', `${place}: no group ${group} on this machine`, {
      fix: `groupadd ${group}`,
    })
  return { ...owner, gid, mode: 0o750 }
}

/** At no moment can anybody enter who may not before or after. */
export async function setAccess(
  directory: string,
  { uid, gid, mode }: Access,
): Promise<void> {
  const now = await stat(directory)
  if (now.uid !== uid || now.gid !== gid) {
    await chmod(directory, 0o700)
    await chown(directory, uid, gid)
  } else if ((now.mode & 0o7777) === mode) return
  await chmod(directory, mode)
}
