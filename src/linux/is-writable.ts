import { accessSync, constants } from 'node:fs'

/** access(2) asks the mount, too. */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}
