import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { MountError } from './mount-error.ts'
import { mountAt, PODFS_TYPE } from './mountinfo.ts'
import { replaceDeadMount } from './replace-dead-mount.ts'
import { runMountCommand } from './run-mount-command.ts'

/**
 * A view of the mount that the kernel keeps read-only, at an existing directory. Verified in
 * mountinfo: which connection, and really read-only. A mount of podfs that is there already,
 * a dead one, is replaced and never covered.
 */
export async function bindReadOnly(
  source: string,
  path: string,
  device: string,
): Promise<void> {
  // As mountinfo will name it. A dead mount itself cannot be asked.
  const target = await realpath(path).catch(async () =>
    join(await realpath(dirname(path)), basename(path)),
  )
  // Flags of a bind are set as a whole: without nosuid and nodev here they would be gone.
  const flags = 'ro,nosuid,nodev'
  const args = ['-n', '-o', `bind,${flags}`, '--', source]
  const there = await mountAt(target)
  const isDead = there?.type === PODFS_TYPE && there.device !== device
  // A podfs before this one has made it.
  const isThere = there?.device === device && there.options.includes('ro')
  if (isThere) return
  const bound = isDead
    ? await replaceDeadMount(target, args)
    : await runMountCommand('mount', [...args, target])
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
    if (mount?.id !== there?.id) await runMountCommand('umount', ['-l', target])
    throw new MountError(
      'MOUNT_UNVERIFIED',
      target,
      'the bind is not a read-only view of the volume',
    )
  }
}
