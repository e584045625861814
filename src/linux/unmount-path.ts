import { MountError } from './mount-error.ts'
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
  const { ok, message } = await (process.getuid?.() === 0
    ? umount(isLazy ? ['-l', '--', target] : ['--', target])
    : runMountCommand(
        'fusermount3',
        isLazy ? ['-u', '-z', '--', target] : ['-u', '--', target],
      ))
  // Somebody else was faster.
  if (ok || /not mounted|not found in/.test(message)) return
  const busy = message.includes('busy')
  throw new MountError(busy ? 'MOUNT_BUSY' : 'MOUNT_FAILED', target, message)
}

async function umount(args: readonly string[]): Promise<MountResult> {
  // -c: umount(8) would ask the file system about the path.
  const result = await runMountCommand('umount', ['-c', ...args])
  // busybox has no -c.
  return !result.ok && /unrecognized|invalid option/.test(result.message)
    ? await runMountCommand('umount', args)
    : result
}
