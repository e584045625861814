import { basename, dirname, join, resolve } from 'node:path'
import type { WatchPoints } from './watch-points.ts'

/** A file that is meant. */
export interface FoundFile {
  /** As the person would write it. */
  readonly path: string
  /** Real paths of the names at which a change concerns it: its own, and that of its target. */
  readonly names: readonly string[]
}

/** A file, or the name of one that may come; adds the points at which that is heard of. */
export async function foundFile(
  path: string,
  points: WatchPoints,
): Promise<FoundFile> {
  const absolute = resolve(path)
  const directory = await points.addPath(dirname(absolute))
  const named = join(directory, basename(absolute))
  return { path, names: watchedOf(points, named, await points.addPath(path)) }
}

/** Of a file's names, those that a watch can tell of. */
export function watchedOf(
  points: WatchPoints,
  ...names: readonly string[]
): readonly string[] {
  return [...new Set(names)].filter(name =>
    points.matters(dirname(name), basename(name)),
  )
}
