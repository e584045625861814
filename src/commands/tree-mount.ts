import { mkdtemp, rmdir } from 'node:fs/promises'
import path from 'node:path'
import type { SettingsFor } from '../config/settings.ts'
import { MountError } from '../linux/mount-error.ts'
import { notedOutside } from '../linux/outside.ts'
import type { Cleanup } from '../session/cleanup.ts'
import type { SessionAtMountpoint } from '../session/public-mountpoint.ts'
import { RenewedMount } from '../session/renewed-mount.ts'
import type { Session } from '../session/session-file.ts'
import { againPrefix } from '../session/session-mounts.ts'
import { ownNamespace } from '../session/user-namespace.ts'
import type { Logger } from '../util/logger.ts'
import { type Backend } from '../volumes/backend.ts'
import { adoptBackend, openOutside } from '../volumes/open-backend.ts'
import { treeDirectory } from './served-tree.ts'

/**
 * Of a podfs in namespaces of its own: a mount for the tree alone, which all programs of its user
 * see. Its containers cannot have it for their volumes: the kernel lets nobody in but that user.
 * Where there can be none, why; undefined: the session's own is seen.
 */
export async function openTreeMount(
  {
    settings,
    logger,
    session,
    before,
  }: {
    readonly settings: SettingsFor<
      'root' | 'access' | 'backend' | 'fuse.answerOpens'
    >
    readonly logger: Logger
    readonly session: SessionAtMountpoint
    /** Where a podfs that is gone has one. */
    readonly before: string | undefined
  },
  cleanup: Cleanup,
): Promise<
  | { readonly mount: RenewedMount; readonly adopted: boolean }
  | MountError
  | undefined
> {
  if (ownNamespace() === undefined) return undefined
  if (notedOutside() === undefined)
    return new MountError(
      'MOUNT_NO_BACKEND',
      '',
      'with network pod the tree is mounted outside by means of the npm package koffi, which is not installed',
      { fix: 'npm install koffi' },
    )
  const { root, access, fuse, backend } = settings
  if (backend !== 'fuse' && backend !== 'auto')
    return new MountError('MOUNT_NO_BACKEND', '', `backend ${backend}`, {
      fix: 'backend: fuse',
    })
  const open = (directory: string): Promise<Backend> =>
    openOutside({
      directory,
      allowOther: access !== 'owner',
      answerOpens: fuse.answerOpens,
      lifetime: 'detach',
      logger: logger.child({ mountpoint: root }),
      publicAt: { subdirectory: treeDirectory, target: root },
    })
  const adopted =
    before === undefined ? undefined : await adoptBackend(before, logger)
  const directory =
    (adopted && before) ??
    (await mkdtemp(path.join(session.directory, againPrefix)))
  let first: Backend
  try {
    first = adopted ?? (await open(directory))
  } catch (error) {
    await rmdir(directory).catch(() => undefined)
    if (!(error instanceof MountError) || error.code !== 'MOUNT_NO_BACKEND')
      throw error
    return error
  }
  const update = ({ mountDirectory }: Partial<Session>): void =>
    session.update({ ...(mountDirectory && { treeDirectory: mountDirectory }) })
  update({ mountDirectory: directory })
  const mount = new RenewedMount(
    { backend: first, directory },
    { session: { ...session, update }, open, logger },
  )
  cleanup.add('tree mount', async () => {
    await mount.endIfHung()
    await mount.stop()
  })
  return { mount, adopted: adopted !== undefined }
}
