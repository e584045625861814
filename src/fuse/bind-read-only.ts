import { realpath } from 'node:fs/promises'
import { MountError } from './mount-error.ts'
import { mountAt } from './mountinfo.ts'
import { runMountCommand } from './run-mount-command.ts'

/**
 * A view of the mount that the kernel keeps read-only, at an existing directory. Verified in
 * mountinfo: which connection, and really read-only.
 */
export async function bindReadOnly(
  source: string,
  path: string,
  device: string,
): Promise<void> {
  // As mountinfo will name it.
  const target = await realpath(path)
  // Flags of a bind are set as a whole: without nosuid and nodev here they would be gone.
  const flags = 'ro,nosuid,nodev'
  const bound = await runMountCommand('mount', [
    '-n',
    '-o',
    `bind,${flags}`,
    '--',
    source,
    target,
  ])
  if (!bound.ok) throw new MountError('MOUNT_FAILED', target, bound.message)
  // busybox and old util-linux take the first step only.
  if ((await mountAt(target))?.options.includes('ro') !== true)
    await runMountCommand('mount', [
      '-n',
      '-o',
      `remount,bind,${flags}`,
      target,
    ])
  const mount = await mountAt(target)
  if (mount?.device !== device || !mount.options.includes('ro')) {
    if (mount?.device === device)
      await runMountCommand('umount', ['-l', target])
    throw new MountError(
      'MOUNT_UNVERIFIED',
      target,
      'the bind is not a read-only view of the volume',
    )
  }
}
