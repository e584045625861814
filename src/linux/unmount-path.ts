import { MountError } from './mount-error.ts'
import { runMountCommand } from './run-mount-command.ts'

/**
 * umount(8): throws MOUNT_BUSY when somebody is in there, unless lazy. `target` is as mountinfo
 * has it: lazily, nothing is asked of what is mounted there, whose server may hang.
 */
export async function unmountPath(
  target: string,
  options: { readonly lazy?: boolean } = {},
): Promise<void> {
  const args = options.lazy === true ? ['-l', '--', target] : ['--', target]
  // -c: umount(8) would ask the file system about the path.
  let { ok, message } = await runMountCommand('umount', ['-c', ...args])
  // busybox has no -c.
  if (!ok && /unrecognized|invalid option/.test(message))
    ({ ok, message } = await runMountCommand('umount', args))
  // Somebody else was faster.
  if (ok || message.includes('not mounted')) return
  const busy = message.includes('busy')
  throw new MountError(busy ? 'MOUNT_BUSY' : 'MOUNT_FAILED', target, message)
}
