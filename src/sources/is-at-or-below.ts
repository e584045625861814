import { relative } from 'node:path'

/** By their names alone; links are not followed. */
export function isAtOrBelow(path: string, directory: string): boolean {
  const way = relative(directory, path)
  return way !== '..' && !way.startsWith('../')
}
