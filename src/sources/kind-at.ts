import { statSync, type Stats } from 'node:fs'

/** False for what is not there, and for what may not be looked at. */
export function isDirectory(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false
}

/** The same. */
export function isFile(path: string): boolean {
  return statOf(path)?.isFile() ?? false
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}
