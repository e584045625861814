import { MountError } from '../../linux/mount-error.ts'
import {
  startKeptMount,
  type KeptMount,
  type KeptMountOptions,
} from './kept-mount.ts'

/**
 * A tmpfs that goes when podfs does, at DIRECTORY/rw. Nobody but this user can enter without
 * allowOther. `size` in bytes; absent: half of the memory, as the kernel has it.
 */
export async function mountTmpfs(
  options: KeptMountOptions & { readonly size?: bigint },
): Promise<KeptMount> {
  const mode = `mode=${options.allowOther ? '755' : '700'}`
  return await startKeptMount(
    options,
    [
      'tmpfs',
      options.size === undefined ? mode : `${mode},size=${options.size}`,
    ],
    (_, said) =>
      new MountError(
        'MOUNT_FAILED',
        options.directory,
        `no tmpfs can be mounted (${said})`,
      ),
  )
}
