import { lstatSync, readlinkSync } from 'node:fs'
import { isWithin } from './is-within.ts'
import { PODFS_TYPE, readMountinfo } from './mountinfo.ts'
import { resolvePath } from './resolve-path.ts'

/**
 * A path as the kernel names it, without links, so that each of its names finds the same
 * mount. What does not exist (yet), or cannot be looked at, is named as it is written.
 *
 * Never looks at a mount of podfs, nor below: one that is dead would give an error, and one whose
 * server hangs would let this process wait, deaf to every signal.
 */
export function realPath(absolute: string): string {
  const untouched = readMountinfo()
    .filter(({ type }) => type === PODFS_TYPE)
    .map(({ mountpoint }) => mountpoint)
  const isUntouched = (path: string): boolean =>
    untouched.some(mountpoint => isWithin(path, mountpoint))
  try {
    return resolvePath(absolute, {
      lstat: path =>
        !isUntouched(path) && isLink(path) ? { kind: 'symlink' } : undefined,
      readlink: path => readlinkSync(path),
    })
  } catch {
    // More links than the kernel follows, or one that has just gone.
    return absolute
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}
