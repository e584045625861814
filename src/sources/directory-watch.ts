import { stat } from 'node:fs/promises'
import { watch } from 'chokidar'

/**
 * The one place that uses chokidar, and for one thing only: to hear that something happened
 * to a name in a directory. What happened, the file system says (settled-file.ts).
 *
 * Directories are watched, never files. A directory watch survives each swap of a file in it
 * (rename saves, `..data`), costs one inotify watch for any number of files, and is ready
 * before the first file appears. Measured with chokidar 5.0, two watchers, 50 rename saves
 * 60 ms apart: with the file watched, each heard 1; with its directory watched, each heard
 * all 50. (A file's watch must be renewed after each swap; chokidar keeps one inotify watch
 * for each path in the process, and of two users of it neither gets the new one.) A directory
 * that is replaced has the same trouble, so there is one watcher for each directory in the
 * whole process, shared by all listeners, and renewed for all of them when its path means
 * another directory.
 *
 * chokidar's `raw` events are used, and not `add` or `change`: those are throttled, and come
 * after a stat of its own.
 */

/** As inotify says it: a name came or went (`rename`), or its content or mode changed. */
export type Hint = 'rename' | 'change'

/** `name` is null when anything in the directory may have changed. */
export type DirectoryListener = (name: string | null, hint: Hint) => void

interface Watched {
  readonly identity: string
  readonly ready: Promise<void>
  /** Also lets those go on who wait until it is ready. */
  readonly shut: () => void
  readonly listeners: Set<DirectoryListener>
}

export interface DirectoryWatch {
  /** Device and inode of what is watched: another one means that it was replaced. */
  readonly identity: string
  close(): void
}

const watchedDirectories = new Map<string, Watched>()

/** The directory's identity, or undefined when it is not there. */
export async function directoryIdentity(
  directory: string,
): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(directory, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/**
 * Resolves when the kernel watches; from then on nothing is missed. `directory` is a real
 * path, without symbolic links. Rejects with the error of inotify.
 */
export async function watchDirectory(
  directory: string,
  listener: DirectoryListener,
): Promise<DirectoryWatch> {
  const identity = (await directoryIdentity(directory)) ?? ''
  const existing = watchedDirectories.get(directory)
  let entry = existing
  if (existing === undefined || existing.identity !== identity) {
    entry = open(directory, identity, existing?.listeners ?? new Set())
    watchedDirectories.set(directory, entry)
    existing?.shut()
  }
  const { listeners, ready } = entry as Watched
  listeners.add(listener)
  const close = () => {
    listeners.delete(listener)
    const current = watchedDirectories.get(directory)
    if (current?.listeners === listeners && listeners.size === 0) {
      watchedDirectories.delete(directory)
      current.shut()
    }
  }
  try {
    await ready
  } catch (error) {
    close()
    throw error
  }
  return { identity, close }
}

function open(
  directory: string,
  identity: string,
  listeners: Set<DirectoryListener>,
): Watched {
  const watcher = watch(directory, {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    // Nothing but the directory itself: its raw events name the files.
    ignored: path => path !== directory,
  })
  watcher.on('raw', (event, name: unknown) => {
    const hint = event === 'change' ? 'change' : 'rename'
    const text = typeof name === 'string' && name !== '' ? name : null
    for (const listener of listeners) listener(text, hint)
  })
  let shut = () => undefined as void
  const ready = new Promise<void>((resolve, reject) => {
    shut = () => {
      // chokidar says no `ready` after this.
      resolve()
      void watcher.close()
    }
    watcher.once('ready', () => resolve())
    // chokidar says `error` first and `ready` nevertheless.
    watcher.on('error', reject)
  })
  // Whoever opens it awaits it; this only keeps a second listener's error from being lost.
  ready.catch(() => undefined)
  return { identity, ready, shut, listeners }
}
