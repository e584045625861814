import { MountError } from '../../linux/mount-error.ts'
import { entryPoint } from '../mount/entry-points.ts'
import {
  startKeptMount,
  type KeptMount,
  type KeptMountOptions,
} from '../mount/kept-mount.ts'

/** A mount served through the npm package fuse-native: native-server-main.ts. */
export async function mountNative(
  options: KeptMountOptions,
): Promise<KeptMount> {
  return await startKeptMount(
    options,
    [
      'native',
      process.execPath,
      entryPoint('fuse-native-server.cjs'),
      options.allowOther ? 'allow-other' : 'owner-only',
    ],
    (missing, said) => {
      if (missing === 'libfuse')
        return new MountError(
          'MOUNT_NO_BACKEND',
          '',
          'fuse-native needs libfuse 2, and libfuse.so.2 is not on this machine',
          {
            fix: 'apt-get install libfuse2 (in newer releases libfuse2t64); or --backend dir',
          },
        )
      if (missing === 'package')
        return new MountError(
          'MOUNT_NO_BACKEND',
          '',
          `the npm package fuse-native cannot be loaded (${said})`,
          {
            // npm leaves it out where its library is missing.
            fix: 'on linux-x64: apt-get install libfuse2, then npm install fuse-native@2.2.6; or --backend dir',
          },
        )
      return new MountError(
        'MOUNT_FAILED',
        options.directory,
        said || 'no answer from libfuse',
      )
    },
  )
}
