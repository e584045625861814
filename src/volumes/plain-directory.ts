/**
 * The backend dir without mount rights: the writer works right at the mount point, or, where
 * nothing is to be shown, in the run-time directory. There is no second view of it, so nothing
 * is read-only; what guards it is that it belongs to podfs's user, with mode 0755, or 0700 for
 * a volume that only this user may see.
 *
 *     RUNTIME/ID/rw -> MOUNTPOINT              all volumes of a Pod
 *     RUNTIME/ID/rw/VOLUME -> MOUNTPOINT       one volume
 *     RUNTIME/ID/rw/                           nothing is shown
 */
import {
  chmod,
  mkdir,
  readdir,
  readlink,
  stat,
  symlink,
} from 'node:fs/promises'
import path from 'node:path'
import { MountError } from '../linux/mount-error.ts'
import { mountAt } from '../linux/mountinfo.ts'
import { removeVolume, removeVolumes } from '../writer/remove-volume.ts'
import type { Backend, BackendOptions } from './backend.ts'

export async function usePlainDirectory(
  options: BackendOptions,
): Promise<Omit<Backend, 'name'>> {
  const { shown } = options
  const rw = path.join(options.directory, 'rw')
  let modeBefore: number | undefined
  try {
    if (shown?.subdirectory === '') await symlink(shown.target, rw)
    else {
      await mkdir(rw, { mode: 0o700 })
      if (shown !== undefined) {
        modeBefore = (await stat(shown.target)).mode & 0o7777
        await symlink(shown.target, path.join(rw, shown.subdirectory))
      }
    }
  } catch (cause) {
    const { message } = cause as Error
    throw new MountError('MOUNT_FAILED', rw, message, { cause })
  }
  return {
    directory: rw,
    volumeRootMode: options.allowOther ? 0o755 : 0o700,
    // It is there already.
    bind: async () => {},
    unbind: async () => {},
    lost: new Promise<never>(() => {}),
    stop: async () => {
      await clearPlainDirectory(options.directory)
      if (shown !== undefined && modeBefore !== undefined)
        await chmod(shown.target, modeBefore)
    },
  }
}

/**
 * Takes away what was published in plain directories by the podfs of this run-time directory,
 * which may have been killed.
 */
export async function clearPlainDirectory(runtime: string): Promise<void> {
  const rw = path.join(runtime, 'rw')
  const all = await linkTarget(rw)
  if (all !== undefined) return await removeVolumes(all)
  for (const volume of await linkedVolumes(rw)) await removeVolume(volume)
}

export async function hasPlainDirectory(runtime: string): Promise<boolean> {
  const rw = path.join(runtime, 'rw')
  // A mount is none, and one whose server hangs must not be looked at.
  if ((await mountAt(rw)) !== undefined) return false
  return (
    (await linkTarget(rw)) !== undefined || (await linkedVolumes(rw)).length > 0
  )
}

async function linkedVolumes(rw: string): Promise<string[]> {
  const names = await readdir(rw).catch(() => [])
  const targets = await Promise.all(
    names.map(name => linkTarget(path.join(rw, name))),
  )
  return targets.filter(target => target !== undefined)
}

async function linkTarget(file: string): Promise<string | undefined> {
  return await readlink(file).catch(() => undefined)
}
