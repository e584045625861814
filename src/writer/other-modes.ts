import type { WriteOptions } from './atomic-writer.ts'
import { FILE_BITS } from './fs-group.ts'
import type { Payload } from './payload.ts'
import { forEachConcurrently, volumeFileSystem } from './volume-tree.ts'
import { hasCode } from '../util/error-code.ts'

/**
 * Whether a volume that somebody else has published has a file of the payload with another
 * mode or group than it is to have. The AtomicWriter compares bytes only, as a kubelet, which
 * makes the volumes of another definition anew.
 */
export async function hasOtherModes(
  directory: string,
  payload: Payload,
  { fsGroup }: WriteOptions,
): Promise<boolean> {
  let differs = false
  await forEachConcurrently(payload, async ([path, { mode }]) => {
    if (differs) return
    try {
      const file = `${directory}/..data/${path}`
      const stats = await volumeFileSystem.lstat(file)
      const wanted = fsGroup === undefined ? mode : mode | FILE_BITS
      const group = fsGroup ?? process.getgid?.()
      if ((stats.mode & 0o7777) !== wanted || stats.gid !== group)
        differs = true
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  })
  return differs
}
