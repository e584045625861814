import { randomInt } from 'node:crypto'
import { systemClock, type Clock } from '../util/clock.ts'
import {
  UNSEEN_MODE,
  type FillDirectory,
  type NewEntry,
} from '../util/new-entry.ts'
import { applyFsGroup, changeOwner } from './fs-group.ts'
import {
  directoryEntry,
  entriesOf,
  isDirectory,
  linkEntry,
} from './new-entries.ts'
import {
  cleanPayload,
  parentsOf,
  userVisibleName,
  type CleanPayload,
} from './payload-path.ts'
import type { Payload } from './payload.ts'
import {
  forEachConcurrently,
  isConnectionLost,
  isContradiction,
  listTree,
  removeTree,
  volumeFileSystem,
  type VolumeFileSystem,
} from './volume-tree.ts'
import { hasCode } from '../util/error-code.ts'

export const DATA = '..data'
export const DATA_TMP = '..data_tmp'
export const timestampedName = /^\.\.\d{4}(_\d\d){5}\.\d+$/

/** What could not be removed: out of the way of all that a writer makes. */
export const lostName = /^\.\.lost\.\d+$/

/** Of a mode, what a umask of 022 leaves as it is. */
const UNMASKED = 0o755

export interface AtomicWriterOptions {
  readonly clock?: Clock
  readonly fileSystem?: VolumeFileSystem
  /** Where the file system has a way to make many entries at once. */
  readonly fill?: FillDirectory | undefined
}

export interface WriteOptions {
  /** The Pod's securityContext.fsGroup: a group that owns the whole volume. */
  readonly fsGroup?: number
  /** Called between steps 11 and 12: what is left to do concerns no reader of the payload. */
  readonly beforeRemoval?: () => Promise<void>
}

/**
 * Publishes a payload in a directory so that a reader sees all of it or nothing, and a
 * watcher sees what a kubelet's volume shows: the kubelet's AtomicWriter, call by call
 * (kubernetes pkg/volume/util/atomic_writer.go; docs/kubernetes.md#writing-a-volume).
 *
 *     R/..2026_08_21_11_29_11.123456789/      0755; with fsGroup 2755
 *     R/..2026_08_21_11_29_11.123456789/d/x
 *     R/..data -> ..2026_08_21_11_29_11.123456789
 *     R/a      -> ..data/a
 *     R/d      -> ..data/d                    one link for each first component
 *
 *  1. Validate and clean every path of the payload.
 *  2. Read the link `..data`: the directory of the present generation; none at first.
 *  3. Find what is in that directory and not in the payload: pathsToRemove.
 *  4. Compare the bytes (not modes, not owners). All equal and nothing to remove: go to 10
 *     and stop there.
 *  5. Make the new timestamped directory, 0755.
 *  6. Make its directories and files.
 *  7. Apply fsGroup to the whole volume.
 *  8. Link `..data_tmp` to the new directory.
 *  9. Rename `..data_tmp` to `..data`: the moment of change.
 * 10. Make the visible links that are missing.
 * 11. Remove the visible links of pathsToRemove.
 * 12. Remove the old timestamped directory.
 *
 * The caller's duties: the directory exists (prepareVolumeRoot gives it its mode); calls do
 * not overlap, the next begins when the last has settled; nobody else writes there; the
 * process's umask leaves directories readable (022), as they get no chmod of their own.
 * Names that begin with `..` are the writer's.
 *
 * Different from the kubelet: when a step fails, the kubelet's volume plugin tears the whole
 * volume down. Here what was half-made is removed and the last good generation stays served.
 * And in whatever state the volume is found, a write puts it right: what cannot be removed is
 * moved aside (`..lost.N`), what cannot be listed is made anew.
 */
export class AtomicWriter {
  readonly #root: string
  readonly #clock: Clock
  readonly #fs: VolumeFileSystem
  /**
   * What this writer published last. While `..data` still names it, a difference can be told
   * without reading the volume; that nothing differs is always confirmed by reading.
   */
  #published: { tsDir: string; payload: CleanPayload } | undefined
  /** How often a new generation was shown. */
  #swaps = 0
  /** A failure may have left something that the next write would trip over. */
  #unclean = false

  /** `directory` may be any path that leads to the directory, `/proc/self/fd/N/x` too. */
  constructor(directory: string, options: AtomicWriterOptions = {}) {
    this.#root = directory
    this.#clock = options.clock ?? systemClock
    this.#fs = options.fileSystem ?? volumeFileSystem
    if (options.fill !== undefined)
      this.#fs = { ...this.#fs, fill: options.fill }
  }

  /**
   * Makes the volume hold exactly the payload. Resolves to whether a new generation was
   * published; false if the bytes were already there.
   */
  async write(payload: Payload, options: WriteOptions = {}): Promise<boolean> {
    // (1)
    const clean = cleanPayload(payload)
    if (this.#unclean) await this.recover()
    const before = this.#swaps
    try {
      return await this.#write(clean, options)
    } catch (error) {
      if (!isContradiction(error)) throw error
      // The volume is not what a writer leaves, not one that was killed either.
      await this.recover()
      return (await this.#write(clean, options)) || this.#swaps > before
    }
  }

  /** Steps 2 to 12. */
  async #write(clean: CleanPayload, options: WriteOptions): Promise<boolean> {
    // (2)
    const oldTsDir = await this.#readLink(DATA)
    const old = oldTsDir === undefined ? undefined : this.#remembered(oldTsDir)

    // (3)
    const pathsToRemove =
      oldTsDir === undefined ? [] : await this.#pathsToRemove(oldTsDir, clean)

    // (4)
    if (
      oldTsDir !== undefined &&
      pathsToRemove.length === 0 &&
      !(await this.#shouldWrite(oldTsDir, clean))
    ) {
      await this.#createUserVisibleLinks(clean)
      this.#published = { tsDir: oldTsDir, payload: clean }
      return false
    }

    this.#unclean = true
    if (oldTsDir !== undefined) {
      await this.#publish(clean, options)
      await this.#createUserVisibleLinks(clean, old)
    } else if (!(await this.#publishUnseen(clean, options))) {
      await this.#publish(clean, options)
      await this.#createFirstLinks(clean)
    }
    await this.#removeUserVisibleLinks(pathsToRemove)

    // (12)
    if (oldTsDir !== undefined) {
      await options.beforeRemoval?.()
      await this.#discard(oldTsDir, isContradiction)
    }
    this.#unclean = false
    return true
  }

  /**
   * Puts in order what a writer that was killed, or that failed, has left: what it had not
   * yet published (up to step 8) is undone, what it had published (from step 9 on) is
   * finished. Afterwards the directory is as after a whole write. Does nothing, and makes no
   * event, where nothing is wrong.
   */
  async recover(): Promise<void> {
    this.#published = undefined
    const entries = await this.#fs.list(this.#root)
    // Before the rename the generation was nobody's: undo step 8.
    if (entries.some(({ name }) => name === DATA_TMP))
      await this.#discard(DATA_TMP, canBeMoved)

    let tsDir: string | undefined
    let names: string[] = []
    try {
      tsDir = await this.#readLink(DATA)
      if (tsDir !== undefined)
        names = (await this.#fs.list(this.#path(tsDir))).map(e => e.name)
    } catch (error) {
      if (!canBeMoved(error)) throw error
      // No crash of a writer does this; all that is left is to begin anew.
      await this.#discard(DATA, canBeMoved)
      tsDir = undefined
    }

    // Finish step 10, then step 11.
    for (const name of await this.#missingLinks(names))
      await this.#fs.symlink(`${DATA}/${name}`, this.#path(name))
    for (const entry of entries)
      if (
        entry.isSymbolicLink() &&
        !entry.name.startsWith('..') &&
        !names.includes(entry.name) &&
        (await this.#readLink(entry.name)) === `${DATA}/${entry.name}`
      )
        await this.#fs.unlink(this.#path(entry.name))

    // Undo steps 5 and 6, or finish step 12.
    for (const { name } of entries)
      if (timestampedName.test(name) && name !== tsDir)
        await this.#discard(name, canBeMoved)
      else if (lostName.test(name)) await removeLost(this.#fs, this.#path(name))
    this.#unclean = false
  }

  /**
   * Removes whatever has one of the writer's names. What cannot be removed is moved aside, if the
   * failure is of that kind: else the next write would fail of it, too.
   */
  async #discard(
    name: string,
    canMove: (error: unknown) => boolean,
  ): Promise<void> {
    const path = this.#path(name)
    try {
      if (timestampedName.test(name)) await removeTree(this.#fs, path)
      else await this.#fs.unlink(path)
    } catch (error) {
      if (!canMove(error)) throw error
      try {
        const lost = `..lost.${randomInt(2 ** 32)}`
        await this.#fs.rename(path, this.#path(lost))
      } catch (second) {
        // It is listed, and not there.
        if (!hasCode(second, 'ENOENT')) throw error
      }
    }
  }

  /** Steps 5 to 10 in a volume that nobody can have seen; false: it has to be done in steps. */
  async #publishUnseen(
    payload: CleanPayload,
    { fsGroup }: WriteOptions,
  ): Promise<boolean> {
    if (this.#fs.fill === undefined) return false
    const tsDir = timestampedDirectoryName(this.#clock.now())
    const entries = [
      directoryEntry(tsDir, fsGroup),
      ...entriesOf(payload, fsGroup).map(entry => ({
        ...entry,
        path: `${tsDir}/${entry.path}`,
      })),
      linkEntry(DATA, tsDir),
      ...[...visibleNames(payload)].map(name =>
        linkEntry(name, `${DATA}/${name}`),
      ),
    ]
    const made = await this.#fill(this.#root, entries)
    if (made === 0) return false
    if (made < entries.length) {
      // Somebody has come meanwhile: as after the death of a writer.
      await this.recover()
      if ((await this.#readLink(DATA)) !== tsDir) return false
    }
    this.#published = { tsDir, payload }
    return true
  }

  /** Steps 5 to 9; when one of them fails, what they made is gone again. */
  async #publish(
    payload: CleanPayload,
    { fsGroup }: WriteOptions,
  ): Promise<void> {
    const tsDir = await this.#makeTimestampedDirectory()
    try {
      const entries = entriesOf(payload, fsGroup)
      const filled = await this.#fill(this.#path(tsDir), entries)
      await this.#fs.chmod(this.#path(tsDir), 0o755)
      await this.#makeEntries(tsDir, entries.slice(filled))
      // (7)
      if (fsGroup !== undefined)
        await applyFsGroup(this.#fs, this.#root, fsGroup, {
          newTsDir: tsDir,
          isContentDone: filled === entries.length,
        })
      // (8)
      await this.#fs.symlink(tsDir, this.#path(DATA_TMP))
      // (9)
      await this.#fs.rename(this.#path(DATA_TMP), this.#path(DATA))
      this.#swaps += 1
    } catch (error) {
      // The failure that counts is the first; if this one fails too, the next write begins
      // with a recovery all the same.
      await this.recover().catch(() => {
        this.#unclean = true
      })
      throw error
    }
    this.#published = { tsDir, payload }
  }

  /** Step 3. Everything in the old directory, its directories too, that the payload lacks. */
  async #pathsToRemove(
    oldTsDir: string,
    payload: CleanPayload,
  ): Promise<string[]> {
    const remembered = this.#remembered(oldTsDir)
    const current =
      remembered === undefined
        ? await listTree(this.#fs, this.#path(oldTsDir))
        : withParents(remembered)
    const next = withParents(payload)
    return [...current].filter(path => !next.has(path))
  }

  /** Step 4. */
  async #shouldWrite(
    oldTsDir: string,
    payload: CleanPayload,
  ): Promise<boolean> {
    const remembered = this.#remembered(oldTsDir)
    if (remembered !== undefined)
      for (const [path, { data }] of payload) {
        const old = remembered.get(path)?.data
        if (old === undefined || Buffer.compare(old, data) !== 0) return true
      }
    let differs = false
    await forEachConcurrently(payload, async ([path, { data }]) => {
      if (differs) return
      try {
        const old = await this.#fs.readFile(this.#path(`${oldTsDir}/${path}`))
        differs ||= Buffer.compare(old, data) !== 0
      } catch (error) {
        // The last two: a file where now is a directory, and the reverse. The kubelet gives
        // up on these, tears the volume down and makes it anew.
        if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) throw error
        differs = true
      }
    })
    return differs
  }

  /** Step 5 but for its chmod. */
  async #makeTimestampedDirectory(): Promise<string> {
    for (;;) {
      const tsDir = timestampedDirectoryName(this.#clock.now())
      try {
        // Never closed to others, not even for the moment that MkdirTemp's 0700 stands.
        await this.#fs.mkdir(
          this.#path(tsDir),
          this.#fs.fill === undefined ? 0o755 : UNSEEN_MODE,
        )
        return tsDir
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error
      }
    }
  }

  /** Makes entries in a directory that nobody has seen, while that is so; how many. */
  async #fill(
    directory: string,
    entries: readonly NewEntry[],
  ): Promise<number> {
    const { fill } = this.#fs
    if (fill === undefined) return 0
    for (let made = 0; ;) {
      const left = entries.slice(made)
      const more = left.length > 0 ? await fill(directory, left) : 0
      if (more === 0) return made
      made += more
    }
  }

  /** Step 6. Files in no particular order: the kubelet goes through a map. */
  async #makeEntries(
    tsDir: string,
    entries: readonly NewEntry[],
  ): Promise<void> {
    const path = (entry: NewEntry): string =>
      this.#path(`${tsDir}/${entry.path}`)
    for (const entry of entries.filter(isDirectory))
      await this.#fs.mkdir(path(entry), 0o777)
    const files = entries.filter(entry => !isDirectory(entry))
    await forEachConcurrently(files, entry =>
      this.#writeFile(path(entry), entry),
    )
  }

  async #writeFile(path: string, entry: NewEntry): Promise<void> {
    const mode = entry.mode & 0o777
    await this.#fs.writeFile(path, entry.data, { mode })
    // The umask has taken bits away. A kubelet does not ask; in a large volume each call counts.
    if ((mode & ~UNMASKED) !== 0) await this.#fs.chmod(path, mode)
    if (entry.uid !== undefined)
      await changeOwner(this.#fs, path, entry.uid, -1)
  }

  /**
   * Step 10. Kubernetes 1.36 gives a link its file's owner; a kubelet 1.34 leaves it root's,
   * and so does podfs. With fsGroup the setgid root gives it the group. `old`: what this
   * writer has published before, with its links.
   */
  async #createUserVisibleLinks(
    payload: CleanPayload,
    old?: CleanPayload,
  ): Promise<void> {
    const known = visibleNames(old ?? new Map())
    const names = [...visibleNames(payload)].filter(name => !known.has(name))
    // Looked for side by side, made one by one: watchers see the order.
    for (const name of await this.#missingLinks(names))
      await this.#fs.symlink(`${DATA}/${name}`, this.#path(name))
  }

  /** Step 10 of the first generation: nothing is there yet, or else it is not the writer's. */
  async #createFirstLinks(payload: CleanPayload): Promise<void> {
    for (const name of visibleNames(payload))
      try {
        await this.#fs.symlink(`${DATA}/${name}`, this.#path(name))
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error
      }
  }

  async #missingLinks(names: readonly string[]): Promise<string[]> {
    const missing = new Set<string>()
    await forEachConcurrently(names, async name => {
      try {
        await this.#fs.readlink(this.#path(name))
      } catch (error) {
        // EINVAL: something else is there, such as the mount point of another volume.
        if (hasCode(error, 'EINVAL')) return
        if (!hasCode(error, 'ENOENT')) throw error
        missing.add(name)
      }
    })
    return names.filter(name => missing.has(name))
  }

  /** Step 11. One that fails does not keep the others; the last failure is thrown. */
  async #removeUserVisibleLinks(paths: readonly string[]): Promise<void> {
    let failure: unknown
    for (const path of paths) {
      // What is nested is gone with the old directory; its link stays.
      if (path.includes('/')) continue
      try {
        await this.#fs.unlink(this.#path(path))
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) failure = error
      }
    }
    if (failure !== undefined) throw failure
  }

  #remembered(tsDir: string): CleanPayload | undefined {
    return this.#published?.tsDir === tsDir
      ? this.#published.payload
      : undefined
  }

  async #readLink(name: string): Promise<string | undefined> {
    try {
      return await this.#fs.readlink(this.#path(name))
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  #path(name: string): string {
    return `${this.#root}/${name}`
  }
}

/**
 * The mode of a managed volume's root: 1777, with fsGroup 3777 and the group's
 * (docs/kubernetes.md#modes-and-fsgroup). `mode`: where nothing but the root's own mode keeps
 * others out.
 */
export async function prepareVolumeRoot(
  directory: string,
  options: WriteOptions = {},
  mode = 0o1777,
): Promise<void> {
  const { fsGroup } = options
  if (fsGroup !== undefined)
    await changeOwner(volumeFileSystem, directory, -1, fsGroup)
  // After the chown, which may take the setgid bit away.
  await volumeFileSystem.chmod(
    directory,
    fsGroup === undefined ? mode : mode | 0o2000,
  )
}

/** What was moved aside, whatever it is, if it can be removed by now. */
export async function removeLost(
  fs: VolumeFileSystem,
  path: string,
): Promise<void> {
  await removeTree(fs, path)
    .catch(() => fs.unlink(path))
    .catch(() => undefined)
}

/** Nothing has been left undone that could be done later, or by another server. */
function canBeMoved(error: unknown): boolean {
  return !isConnectionLost(error) && !hasCode(error, 'EROFS', 'ENOSPC', 'EBUSY')
}

function visibleNames(payload: CleanPayload): Set<string> {
  return new Set([...payload.keys()].map(userVisibleName))
}

function withParents(payload: CleanPayload): Set<string> {
  return new Set(
    [...payload.keys()].flatMap(path => [...parentsOf(path), path]),
  )
}

/** `..2026_08_21_11_29_11.123456789`: UTC, and Go's MkdirTemp's random 32 bits. */
function timestampedDirectoryName(now: number): string {
  const time = new Date(now).toISOString().slice(0, 19).replace(/[-T:]/g, '_')
  return `..${time}.${randomInt(2 ** 32)}`
}
