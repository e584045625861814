import { stat } from 'node:fs/promises'
import { FSWatcher } from 'chokidar'
import { mountOf } from '../linux/mount-table.ts'
import { type Mount, readMountinfo } from '../linux/mountinfo.ts'
import { inBackground } from '../util/in-background.ts'
import { deferred } from '../util/deferred.ts'

/**
 * The one place that uses chokidar, and for one thing only: to hear that something happened
 * to a name in a directory. What happened, the file system says (followed-file.ts).
 *
 * Directories are watched, never files. A directory watch survives each swap of a file in it
 * (rename saves, `..data`), costs one inotify watch for any number of files, and is ready
 * before the first file appears.
 *
 * chokidar keeps one inotify watch for each path in the process, and of two users of it
 * neither gets a new one when the path means another directory. So there is one watcher for
 * each directory in the whole process, shared by all listeners, and renewed for all of them
 * when the directory has been replaced.
 *
 * Its `raw` events are used, and not `add` or `change`: those are throttled, and come after a
 * stat of its own.
 */

/** As inotify says it: a name came or went (`rename`), or its content or mode changed. */
export type Hint = 'rename' | 'change'

/** `name` is null when anything in the directory may have changed. */
export type DirectoryListener = (name: string | null, hint: Hint) => void

/** Which directory it is, and by which mount. */
interface DirectoryIdentity {
  /** The time of its birth, too: a new one often gets the number of one that was just removed. */
  readonly inode: string
  /** A watch ends with its file system, and the same one may be mounted there again. */
  readonly mount: number | undefined
}

/** What could not be found out, for want of a descriptor, makes no difference. */
export function isSameDirectory(
  a: DirectoryIdentity | undefined,
  b: DirectoryIdentity | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b
  const isSameMount =
    a.mount === b.mount || a.mount === undefined || b.mount === undefined
  return a.inode === b.inode && isSameMount
}

interface Watched {
  readonly identity: DirectoryIdentity
  readonly ready: Promise<void>
  /** Also lets those go on who wait until it is ready. */
  readonly shut: () => void
  readonly listeners: Set<DirectoryListener>
}

export interface DirectoryWatch {
  /** Which directory is watched: another one means that it was replaced. */
  readonly identity: DirectoryIdentity
  close(): void
}

const watchedDirectories = new Map<string, Watched>()

/** Undefined when there is no such directory. */
export async function directoryIdentity(
  directory: string,
  mounts: KnownMounts,
): Promise<DirectoryIdentity | undefined> {
  return await identityOf(directory, mounts).catch(() => undefined)
}

/** Those that there are, read once for all directories of a look; undefined: see knownMounts. */
type KnownMounts = readonly Mount[] | undefined

/** Undefined without a descriptor left. */
export function knownMounts(): KnownMounts {
  try {
    return readMountinfo()
  } catch {
    return undefined
  }
}

/** The mount by name: a descriptor there would keep it from being unmounted meanwhile. */
async function identityOf(
  directory: string,
  mounts: KnownMounts,
): Promise<DirectoryIdentity> {
  const { dev, ino, birthtimeNs } = await stat(directory, { bigint: true })
  const mount = mounts && mountOf(directory, mounts)?.id
  return { inode: `${dev}:${ino}:${birthtimeNs}`, mount }
}

/**
 * When it resolves the kernel watches; from then on nothing is missed but what does not fit
 * into the queue. `directory` is a real path, without symbolic links. Rejects with the error
 * of inotify, and when there is no such directory.
 */
export async function watchDirectory(
  directory: string,
  mounts: KnownMounts,
  listener: DirectoryListener,
): Promise<DirectoryWatch> {
  // Before the watch: replaced in between, it seems stale, and is renewed at the next look.
  const identity = await identityOf(directory, mounts)
  const existing = watchedDirectories.get(directory)
  let entry = existing
  if (existing === undefined || !isSameDirectory(existing.identity, identity)) {
    entry = openWatch(directory, identity, existing?.listeners ?? new Set())
    watchedDirectories.set(directory, entry)
    existing?.shut()
  }
  const { listeners, ready } = entry as Watched
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
  try {
    await ready
  } catch (error) {
    close()
    throw error
  }
  return { identity, close }
}

/**
 * Lists no directory. chokidar would at the start and up to once a second while something happens
 * there, with an lstat of each entry: thousands in a source, its parents (a home, /tmp) included,
 * for events that nobody here listens to.
 */
class NameWatcher extends FSWatcher {
  override _readdirp(): undefined {
    return undefined
  }
}

function openWatch(
  directory: string,
  identity: DirectoryIdentity,
  listeners: Set<DirectoryListener>,
): Watched {
  const watcher = new NameWatcher({
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    // Nothing but the directory itself: its raw events name the files.
    ignored: path => path !== directory,
  })
  watcher.add(directory)
  watcher.on('raw', (event, name: unknown) => {
    const hint = event === 'change' ? 'change' : 'rename'
    const text = typeof name === 'string' && name !== '' ? name : null
    for (const listener of listeners) listener(text, hint)
  })
  const { promise: ready, resolve, reject } = deferred<void>()
  watcher.once('ready', resolve)
  // chokidar says `error` first and `ready` nevertheless.
  watcher.on('error', reject)
  const shut = (): void => {
    // chokidar says no `ready` after this.
    resolve()
    inBackground(watcher.close())
  }
  // Whoever opens it awaits it; this only keeps a second listener's error from being lost.
  ready.catch(() => undefined)
  return { identity, ready, shut, listeners }
}
