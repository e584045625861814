/**
 * The places where volumes can be published, behind one interface. The writer is the same for
 * all three, and so is the rule who may write: podfs through a private directory; everybody
 * else sees read-only binds. What a backend cannot give: docs/backends.md, which is made from
 * the results of the suite that all three go through (test/helpers/backend-suite.ts).
 */
import path from 'node:path'
import { adoptMount } from '../fuse/mount/adopt-mount.ts'
import { cleanUpMount } from '../fuse/mount/clean-up-mount.ts'
import type { FuseMountOptions } from '../fuse/mount/mount.ts'
import { mountFuse } from '../fuse/mount/mount.ts'
import { MountError } from '../linux/mount-error.ts'
import { mountAt } from '../linux/mountinfo.ts'
import { mountNative } from '../fuse/native/native-mount.ts'
import { mountTmpfs } from '../fuse/mount/tmpfs-mount.ts'
import type { Logger } from '../util/logger.ts'
import { unmountPath } from '../linux/unmount-path.ts'
import type { FillDirectory } from '../util/new-entry.ts'
import { usePlainDirectory } from './plain-directory.ts'

/** The best first. */
export const backendNames = ['fuse', 'fuse-native', 'dir'] as const
export type BackendName = (typeof backendNames)[number]

export interface BackendOptions extends FuseMountOptions {
  /** What will be shown where: for a place that cannot be bound to a mount point later. */
  readonly shown?: { readonly subdirectory: string; readonly target: string }
}

/** A place where volumes are published: RUNTIME/ID/rw and what it is shown at. */
export interface Backend {
  readonly name: BackendName
  /** Writes go through here: a path that does not lead to the disk when the mount is gone. */
  readonly directory: string
  /** The mode that a volume's root must have; undefined: as a kubelet gives it. */
  readonly volumeRootMode: number | undefined
  /** Shows a directory ('' = all of it) read-only at an existing directory. */
  bind(subdirectory: string, target: string): Promise<void>
  /** Throws MOUNT_BUSY when somebody is in there, unless lazy. */
  unbind(target: string, options?: { readonly lazy?: boolean }): Promise<void>
  /** Resolves with the reason when it is lost; never after `stop`. */
  readonly lost: Promise<string>
  /** Makes the entries of a new directory at once; only of podfs's own file server. */
  readonly fill?: FillDirectory
  /** Requests per operation; only of podfs's own file server. */
  readonly stats?: () => Promise<Readonly<Record<string, number>>>
  stop(): Promise<void>
}

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
    return withName('fuse', await withFix(mountFuse(options)))
  },
  'fuse-native': async options => {
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
  const rw = path.join(directory, 'rw')
  const device = (await mountAt(rw))?.device
  return withName('fuse', {
    directory: rw,
    bind: () =>
      Promise.reject(new MountError('MOUNT_FAILED', rw, 'it is dead')),
    unbind: unmountPath,
    lost: Promise.resolve('all its processes were killed'),
    stop: () => cleanUpMount(directory, device),
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
