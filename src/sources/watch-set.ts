import {
  directoryIdentity,
  watchDirectory,
  type DirectoryWatch,
  type Hint,
} from './directory-watch.ts'

/** The directories that one source watches at the moment. */
export class WatchSet {
  readonly #listener: (
    directory: string,
    name: string | null,
    hint: Hint,
  ) => void
  readonly #watches = new Map<string, DirectoryWatch>()
  #closed = false

  constructor(
    listener: (directory: string, name: string | null, hint: Hint) => void,
  ) {
    this.#listener = listener
  }

  /**
   * Watches exactly these; a directory that was replaced by another one is watched anew.
   * True when something was added or renewed: what changed before is not known, so the
   * caller looks again. Rejects with inotify's error.
   */
  async set(directories: ReadonlySet<string>): Promise<boolean> {
    let renewed = false
    for (const [directory, watch] of this.#watches) {
      const stale =
        !directories.has(directory) ||
        (await directoryIdentity(directory)) !== watch.identity
      if (stale) {
        watch.close()
        this.#watches.delete(directory)
      }
    }
    for (const directory of directories) {
      if (this.#watches.has(directory)) continue
      const watch = await watchDirectory(directory, (name, hint) =>
        this.#listener(directory, name, hint),
      )
      // Closed while chokidar was getting ready: nobody would close this one.
      if (this.#closed) {
        watch.close()
        return false
      }
      this.#watches.set(directory, watch)
      renewed = true
    }
    return renewed
  }

  close(): void {
    this.#closed = true
    for (const watch of this.#watches.values()) watch.close()
    this.#watches.clear()
  }
}
