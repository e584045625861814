import { MountError } from './mount-error.ts'
import { findOnHost } from './machine-tools.ts'
import { isUsersMount, mountAt } from './mountinfo.ts'
import { notedOutside, runOutside } from './outside.ts'
import { shellWord } from '../util/shell-word.ts'
import { type MountResult, runMountCommand } from './run-mount-command.ts'

/**
 * umount(8), or for an ordinary user, whose own FUSE mount it must be, fusermount3(1): throws
 * MOUNT_BUSY when somebody is in there, unless lazy. `target` is as mountinfo
 * has it: lazily, nothing is asked of what is mounted there, whose server may hang.
 */
export async function unmountPath(
  target: string,
  options: { readonly lazy?: boolean } = {},
): Promise<void> {
  const isLazy = options.lazy === true
  const words = isLazy ? ['-u', '-z', '--', target] : ['-u', '--', target]
  const isUsers = process.getuid?.() !== 0
  const isOutside =
    !isUsers && notedOutside() !== undefined && (await isFromOutside(target))
  const { ok, message } = await (isUsers
    ? runMountCommand('fusermount3', words)
    : isOutside
      ? runOutside(['fusermount3', ...words])
      : umount(isLazy ? ['-l', '--', target] : ['--', target]))
  // Somebody else was faster.
  if (ok || /not mounted|not found in/.test(message)) return
  // The package was removed meanwhile.
  if ((isUsers || isOutside) && findOnHost('fusermount3') === undefined)
    throw new MountError(
      'MOUNT_FAILED',
      target,
      'only fusermount3 unmounts what it has mounted, and it is gone',
      {
        fix: `sudo apt-get install fuse3; or sudo umount ${shellWord(target)}`,
      },
    )
  const busy = message.includes('busy')
  throw new MountError(busy ? 'MOUNT_BUSY' : 'MOUNT_FAILED', target, message)
}

/** That of fusermount3 has the name of its run-time directory, one of this namespace a word. */
async function isFromOutside(target: string): Promise<boolean> {
  const mount = await mountAt(target)
  return mount?.source.startsWith('/') === true && isUsersMount(mount)
}

async function umount(args: readonly string[]): Promise<MountResult> {
  // -c: umount(8) would ask the file system about the path.
  const result = await runMountCommand('umount', ['-c', ...args])
  // busybox has no -c.
  return !result.ok && /unrecognized|invalid option/.test(result.message)
    ? await runMountCommand('umount', args)
    : result
}
