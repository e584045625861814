import { realpathSync } from 'node:fs'
import path from 'node:path'

/**
 * A path as the kernel names it, without links, so that each of its names finds the same
 * mount. What does not exist (yet), or cannot be looked at because a dead mount is there, is
 * named by its nearest parent.
 */
export function realPath(absolute: string): string {
  try {
    return realpathSync(absolute)
  } catch {
    const parent = path.dirname(absolute)
    if (parent === absolute) return absolute
    return path.join(realPath(parent), path.basename(absolute))
  }
}
