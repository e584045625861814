import { watch } from 'node:fs'
import { stat } from 'node:fs/promises'

/**
 * Hears that something happened to a name in a directory. What happened, the file system says
 * (followed-file.ts).
 *
 * Directories are watched, never files. A directory watch survives each swap of a file in it
 * (rename saves, `..data`), costs one inotify watch for any number of files, and is ready
 * before the first file appears.
 *
 * There is one watcher for each directory in the whole process, shared by all listeners, and
 * renewed for all of them when the directory has been replaced.
 *
 * Not chokidar: it lists each directory that it watches, with a stat of every file, at its
 * start and after each event, and what it makes of that is not wanted here.
 */

/** As inotify says it: a name came or went (`rename`), or its content or mode changed. */
export type Hint = 'rename' | 'change'

/** `name` is null when anything in the directory may have changed. */
export type DirectoryListener = (name: string | null, hint: Hint) => void

interface Watched {
  readonly identity: string
  readonly shut: () => void
  readonly listeners: Set<DirectoryListener>
}

export interface DirectoryWatch {
  /** Which directory is watched: another one means that it was replaced. */
  readonly identity: string
  close(): void
}

const watchedDirectories = new Map<string, Watched>()

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
  const existing = watchedDirectories.get(directory)
  let entry = existing
  if (existing === undefined || existing.identity !== identity) {
    entry = open(directory, identity, existing?.listeners ?? new Set())
    watchedDirectories.set(directory, entry)
    existing?.shut()
  }
  const { listeners } = entry as Watched
  // A wrapper, so that the same function may listen twice.
  const own: DirectoryListener = (name, hint) => listener(name, hint)
  listeners.add(own)
  const close = () => {
    listeners.delete(own)
    const current = watchedDirectories.get(directory)
    if (current?.listeners === listeners && listeners.size === 0) {
      watchedDirectories.delete(directory)
      current.shut()
    }
  }
  return { identity, close }
}

function open(
  directory: string,
  identity: string,
  listeners: Set<DirectoryListener>,
): Watched {
  const watcher = watch(directory, (event, name) => {
    for (const listener of listeners) listener(name === '' ? null : name, event)
  })
  // It will hear nothing any more; who looks for the directory next makes another.
  watcher.on('error', () => watcher.close())
  return { identity, shut: () => watcher.close(), listeners }
}
