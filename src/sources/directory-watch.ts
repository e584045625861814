import { watch } from 'node:fs'
import { stat } from 'node:fs/promises'

/**
 * The one place that asks the kernel to be told, and for one thing only: that something
 * happened to a name in a directory. What happened, the file system says (followed-file.ts).
 *
 * Directories are watched, never files. A directory watch survives each swap of a file in it
 * (rename saves, `..data`), costs one inotify watch for any number of files, and is ready
 * before the first file appears.
 *
 * `fs.watch` and not a library above it: of chokidar only the raw events could be used (its
 * own are throttled, and come after a stat), and for each burst of them it read the whole
 * directory again.
 */

/** As inotify says it: a name came or went (`rename`), or its content or mode changed. */
export type Hint = 'rename' | 'change'

/** `name` is null when anything in the directory may have changed. */
export type DirectoryListener = (name: string | null, hint: Hint) => void

export interface DirectoryWatch {
  /** Which directory is watched: another one means that it was replaced. */
  readonly identity: string
  close(): void
}

/**
 * The directory's identity, or undefined when it is not there. The time of its birth, too: a
 * new directory often gets the number of the one that has just been removed.
 */
export async function directoryIdentity(
  directory: string,
): Promise<string | undefined> {
  try {
    const found = await stat(directory, { bigint: true })
    return `${found.dev}:${found.ino}:${found.birthtimeNs}`
  } catch {
    return undefined
  }
}

/**
 * When it resolves the kernel watches; from then on nothing is missed but what does not fit
 * into the queue. `directory` is a real path, without symbolic links. Rejects with the error
 * of inotify.
 */
export async function watchDirectory(
  directory: string,
  listener: DirectoryListener,
): Promise<DirectoryWatch> {
  // Before the watch: replaced in between, it seems stale, and is renewed at the next look.
  const identity = (await directoryIdentity(directory)) ?? ''
  const watcher = watch(directory, (event, name) =>
    listener(
      name === null || name === '' ? null : name,
      event === 'change' ? 'change' : 'rename',
    ),
  )
  // A directory that goes away ends its watch; the next look finds another one, or none.
  watcher.on('error', () => watcher.close())
  return { identity, close: () => watcher.close() }
}
