import { readlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'

/**
 * Real paths of directories, each with the names in it that matter: those through which a
 * path leads, or all of them.
 */
export class WatchPoints {
  readonly #points = new Map<string, Set<string> | 'all'>()

  get directories(): Iterable<string> {
    return this.#points.keys()
  }

  /** The directory's own content is what is read. */
  addAll(directory: string): void {
    this.#points.set(directory, 'all')
  }

  isAll(directory: string): boolean {
    return this.#points.get(directory) === 'all'
  }

  /** Can a change of this name make a path mean something else, or be new content? */
  matters(directory: string, name: string): boolean {
    const names = this.#points.get(directory)
    return names === 'all' || names?.has(name) === true
  }

  /**
   * Adds the names on which the meaning of `path` hangs, from the root on, those of symbolic
   * links on the way included: each of them can be replaced. Gives the real path.
   */
  async addPath(path: string, depth = 0): Promise<string> {
    let real = '/'
    for (const name of resolve(path).split('/').filter(Boolean)) {
      const next = join(real, name)
      const link = await readlink(next).catch(() => undefined)
      this.#add(real, name)
      real =
        link === undefined || depth > 40
          ? next
          : await this.addPath(resolve(real, link), depth + 1)
    }
    return real
  }

  #add(directory: string, name: string): void {
    // A timestamped directory of a published volume never changes: `..data` beside it does.
    if (basename(directory).startsWith('..')) return
    const names = this.#points.get(directory)
    if (names === undefined) this.#points.set(directory, new Set([name]))
    else if (names !== 'all') names.add(name)
  }
}
