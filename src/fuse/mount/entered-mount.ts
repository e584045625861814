/**
 * How the daemon works in a mount, and shows it: one that has a private path, or that of an
 * ordinary user, which is where everybody sees it.
 */
import { open, readdir, readlink, rmdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { bindReadOnly } from '../../linux/bind-read-only.ts'
import { MountError } from '../../linux/mount-error.ts'
import type { Mount } from '../../linux/mountinfo.ts'
import { unmountPath } from '../../linux/unmount-path.ts'
import { hasCode } from '../../util/error-code.ts'
import type { FillDirectory } from '../../util/new-entry.ts'
import { PRIVATE_NAME, UNPUBLISHED_NAME } from '../server/public-tree.ts'
import { Filler } from '../wire/fill.ts'
import { isUsersMountOf } from './mount-of.ts'

export interface EnteredMount {
  /** Leads to nothing when the mount is gone, and never to the disk beneath. */
  readonly directory: string
  readonly fill: FillDirectory
  readonly bind: (subdirectory: string, target: string) => Promise<void>
  readonly unbind: typeof unmountPath
  readonly leave: () => Promise<void>
}

/**
 * `mount`: that of a runtime directory. Waits for the server, on a thread of the pool; this process
 * must be admitted. Rejects when there is none.
 */
export async function enterMount(
  mount: Mount,
  directory: string,
): Promise<EnteredMount> {
  const { mountpoint, device } = mount
  return await (isUsersMountOf(mount, directory)
    ? enterPublic(mountpoint)
    : enterPrivate(mountpoint, device))
}

export async function enterPrivate(
  mountpoint: string,
  device: string,
): Promise<EnteredMount> {
  const root = await open(mountpoint, 'r')
  const directory = `/proc/self/fd/${root.fd}`
  const filler = new Filler(directory)
  return {
    directory,
    fill: filler.fill,
    bind: (subdirectory, target) =>
      bindReadOnly(join(mountpoint, subdirectory), target, device),
    unbind: unmountPath,
    leave: async () => {
      await filler.close().catch(() => undefined)
      await root.close().catch(() => undefined)
    },
  }
}

/** Nothing is held open: whoever unmounts it must not find it busy. */
export async function enterPublic(mountpoint: string): Promise<EnteredMount> {
  const directory = join(mountpoint, PRIVATE_NAME)
  const shown = await shownIn(directory)
  const root = join(directory, shown)
  return {
    directory,
    fill: async (each, entries) => {
      const filler = new Filler(mountpoint, directory)
      try {
        const place = join(mountpoint, relative(root, each))
        // Else this user could not read what is another's.
        const own = entries.map(({ path, mode, data }) => ({
          path,
          mode,
          data,
        }))
        return await filler.fill(place, own)
      } finally {
        await filler.close()
      }
    },
    bind: async (subdirectory, target) => {
      if (subdirectory !== shown || target !== mountpoint)
        throw new MountError(
          'MOUNT_FAILED',
          target,
          `an ordinary user's mount is at ${mountpoint} and nowhere else`,
        )
      try {
        await rmdir(join(mountpoint, UNPUBLISHED_NAME))
      } catch (error) {
        // A podfs before this one has shown it.
        if (!hasCode(error, 'ENOENT')) throw error
      }
    },
    unbind: unmountPath,
    leave: async () => {},
  }
}

/** What of the daemon's directory everybody sees; see public-tree.ts. */
async function shownIn(directory: string): Promise<string> {
  await stat(directory)
  const isRoot = await readlink(directory).then(
    () => true,
    () => false,
  )
  if (isRoot) return ''
  for (const name of await readdir(directory)) {
    const target = await readlink(join(directory, name)).catch(() => '')
    if (target === '..') return name
  }
  throw new Error(`${directory} leads to nothing that is seen`)
}
