import { MountError } from './mount-error.ts'
import {
  startKeptMount,
  type KeptMount,
  type KeptMountOptions,
} from './kept-mount.ts'

/** A tmpfs instead of a file server. Nobody but this user can enter without allowOther. */
export async function mountTmpfs(
  options: KeptMountOptions,
): Promise<KeptMount> {
  return await startKeptMount(
    options,
    ['tmpfs', `mode=${options.allowOther ? '755' : '700'}`],
    (_, said) =>
      new MountError(
        'MOUNT_FAILED',
        options.directory,
        `no tmpfs can be mounted (${said})`,
      ),
  )
}
