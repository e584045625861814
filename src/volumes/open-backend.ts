import path from 'node:path'
import { adoptMount } from '../fuse/mount/adopt-mount.ts'
import { cleanUpMount } from '../fuse/mount/clean-up-mount.ts'
import { mountFuse } from '../fuse/mount/mount.ts'
import { mountOutside } from '../fuse/mount/mount-outside.ts'
import { MountError } from '../linux/mount-error.ts'
import { mountOf } from '../fuse/mount/mount-of.ts'
import { mountNative } from '../fuse/native/native-mount.ts'
import { mountTmpfs } from '../fuse/mount/tmpfs-mount.ts'
import type { Logger } from '../util/logger.ts'
import { unmountPath } from '../linux/unmount-path.ts'
import { usePlainDirectory } from './plain-directory.ts'

import {
  backendNames,
  type Backend,
  type BackendName,
  type BackendOptions,
} from './backend.ts'

/**
 * Opens the named backend, or with `auto` the first that works on this machine. Throws a
 * MountError that says what is missing.
 */
export async function openBackend(
  choice: BackendName | 'auto',
  options: BackendOptions,
): Promise<Backend> {
  if (choice !== 'auto') return await openers[choice](options)
  const refused: Partial<Record<BackendName, string>> = {}
  for (const name of backendNames)
    try {
      const backend = await openers[name](options)
      const level = name === 'fuse' ? 'debug' : 'warn'
      options.logger[level]({ backend: name, refused }, 'backend chosen')
      return backend
    } catch (error) {
      if (!(error instanceof MountError)) throw error
      refused[name] = error.message
    }
  throw new MountError(
    'MOUNT_NO_BACKEND',
    '',
    `no backend works here: ${Object.entries(refused)
      .map(([name, reason]) => `${name}: ${reason}`)
      .join('; ')}`,
  )
}

const openers: Record<
  BackendName,
  (options: BackendOptions) => Promise<Backend>
> = {
  fuse: async options => {
    const publicAt = isOrdinaryUser() ? options.shown : undefined
    const mount = mountFuse({ ...options, ...(publicAt && { publicAt }) })
    return withName('fuse', await withFix(mount))
  },
  'fuse-native': async options => {
    if (isOrdinaryUser())
      throw new MountError(
        'MOUNT_NO_BACKEND',
        '',
        'fuse-native is for root: an ordinary user can bind nothing to a mount point',
        { fix: '--backend fuse, or --backend dir' },
      )
    return withName('fuse-native', await withFix(mountNative(options)))
  },
  dir: async options => {
    try {
      return withName(
        'dir',
        await mountTmpfs(options),
        // A bind of a volume's own root is guarded by nothing but the root's mode.
        options.allowOther ? undefined : 0o700,
      )
    } catch (error) {
      if (!(error instanceof MountError)) throw error
      options.logger.warn(
        { reason: error.message },
        'a plain directory: nothing keeps root from writing there',
      )
      return { name: 'dir', ...(await usePlainDirectory(options)) }
    }
  },
}

/** A fuse backend that all of an ordinary user's programs see, see mountOutside. */
export async function openOutside(
  options: BackendOptions & Required<Pick<BackendOptions, 'publicAt'>>,
): Promise<Backend> {
  return withName('fuse', await withFix(mountOutside(options)))
}

/** A fuse backend whose daemon has died, see adoptMount. */
export async function adoptBackend(
  directory: string,
  logger: Logger,
): Promise<Backend | undefined> {
  const mount = await adoptMount(directory, logger)
  return mount && withName('fuse', mount)
}

/**
 * A fuse backend that nobody serves any more, as one that was lost just now: a session that goes
 * on with it makes another one in its place. `directory`: where the session has said it is.
 */
export async function deadBackend(directory: string): Promise<Backend> {
  const mount = await mountOf(directory)
  const place = mount?.mountpoint ?? path.join(directory, 'rw')
  return withName('fuse', {
    directory: place,
    bind: () =>
      Promise.reject(new MountError('MOUNT_FAILED', place, 'it is dead')),
    unbind: unmountPath,
    lost: Promise.resolve('all its processes were killed'),
    stop: () => cleanUpMount(directory, mount?.device),
  })
}

type Place = Omit<Backend, 'name' | 'volumeRootMode'>

/** Not a spread: what a mount tells may change while it lives. */
function withName(
  name: BackendName,
  place: Place,
  volumeRootMode?: number,
): Backend {
  const { directory, lost, fill, stats } = place
  return {
    name,
    directory,
    volumeRootMode,
    lost,
    ...(fill === undefined ? {} : { fill }),
    ...(stats === undefined ? {} : { stats }),
    bind: (subdirectory, target) => place.bind(subdirectory, target),
    unbind: (target, options) => place.unbind(target, options),
    stop: () => place.stop(),
  }
}

function isOrdinaryUser(): boolean {
  return process.getuid?.() !== 0
}

/** For a cause that nobody knows better. */
const fix = 'podfs doctor; where there is no FUSE: --backend dir'

async function withFix<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof MountError) || error.fix !== undefined) throw error
    throw new MountError(error.code, '', error.message, { cause: error, fix })
  }
}
