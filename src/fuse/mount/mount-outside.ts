/**
 * An ordinary user's mount that all of the user's programs see, of a podfs that is in namespaces of
 * its own: made outside (linux/outside.ts), from where it comes in. Keeper and servers stay there.
 */
import { MountError, type MountErrorCode } from '../../linux/mount-error.ts'
import { runOutside } from '../../linux/outside.ts'
import { adoptMount } from './adopt-mount.ts'
import { entryPoint } from './entry-points.ts'
import type { FuseMount, FuseMountOptions } from './mount.ts'
import { stopAbandonedMount } from './stop-abandoned-mount.ts'

/** Rejects with a MountError; of code MOUNT_NO_BACKEND where this machine has no way to do it. */
export async function mountOutside(
  options: FuseMountOptions & Required<Pick<FuseMountOptions, 'publicAt'>>,
): Promise<FuseMount> {
  const { logger, ...words } = options
  const { directory, publicAt } = options
  const { ok, message } = await runOutside([
    process.execPath,
    entryPoint('begin-mount.cjs'),
    JSON.stringify({ ...words, lifetime: 'detach' }),
  ])
  if (!ok) throw errorOf(message, publicAt.target)
  const mount = await adoptMount(directory, logger)
  if (mount !== undefined) return mount
  await stopAbandonedMount(directory)
  throw new MountError(
    'MOUNT_NO_BACKEND',
    '',
    "this machine's mounts do not come into other namespaces",
    { fix: 'sudo mount --make-rshared /' },
  )
}

/** Of another backend nothing would be seen outside. */
const otherBackend = /; or --backend dir$/

function errorOf(said: string, target: string): MountError {
  try {
    const { code, message, fix } = JSON.parse(said) as {
      code?: MountErrorCode
      message: string
      fix?: string
    }
    return new MountError(code ?? 'MOUNT_FAILED', '', message, {
      ...(fix !== undefined && { fix: fix.replace(otherBackend, '') }),
    })
  } catch {
    return new MountError('MOUNT_FAILED', target, said)
  }
}
