import { lstat, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { DecodeOptions } from '../../api/decode/decode-object.ts'
import type { KubeObject } from '../../api/types.ts'
import {
  maxFileBytes,
  readBounded,
  readStream,
  type TooLarge,
} from '../../util/read-bounded.ts'
import type { Hint } from '../directory-watch.ts'
import { isEditorsFile } from '../editors-files.ts'
import { readMaybeEncrypted } from '../encryption/read-maybe-encrypted.ts'
import {
  isAbsence,
  limitFinding,
  unreadable,
  unreadableFinding,
} from '../errors.ts'
import { FindingsReport } from '../findings-report.ts'
import { look } from '../followed-file.ts'
import type { FoundFile } from '../found-file.ts'
import { isAtOrBelow } from '../is-at-or-below.ts'
import { isDirectory, isFile } from '../kind-at.ts'
import { ManifestFile, tooLarge } from './manifest-file.ts'
import { broken, type Manifest } from './manifest-reader.ts'
import {
  findManifests,
  refuseProblems,
  type ManifestTree,
} from './manifest-tree.ts'
import { Obstacles } from '../obstacles.ts'
import { Rounds } from '../rounds.ts'
import type { Source, SourceOptions } from '../source.ts'
import { WatchPoints } from '../watch-points.ts'
import { WatchSet } from '../watch-set.ts'
import { inBackground } from '../../util/in-background.ts'

/** A conflict between two files is believed when it lasts: an object may be moving. */
const conflictMs = 500
/** A file that a .gitignore hides is looked for once more before it is let go. */
const unlistedMs = 100
/** A directory that cannot be read is tried again this much later. */
const retryMs = 1000

export interface ManifestFilesOptions
  extends SourceOptions, Pick<DecodeOptions, 'onFields'> {
  /** Files, directories, `-` for standard input. */
  readonly paths: readonly string[]
  /** A PATH that is not there, or cannot be read, is told of and waited for, also at the start. */
  readonly patient?: boolean
  /** When it resolves, watches are made, which takes its time; until then nothing is heard. */
  readonly watchFrom?: Promise<unknown>
  /** What `-` reads; the process's own by default. */
  readonly stdin?: AsyncIterable<Buffer | string>
}

/**
 * The objects of manifest files and directories, live.
 *
 * Who knows what:
 * - manifest-tree.ts: which files are meant, and which directories tell of a change;
 * - directory-watch.ts: that something happened to a name. A hint, nothing more;
 * - followed-file.ts: when a file is complete, when it is gone;
 * - manifest-file.ts: what of its content is believed;
 * - rounds.ts: when what has been read goes into the store, together;
 * - this class: which file a hint concerns.
 *
 * Nothing is read for good before its watch is set: a file that gets a watch, or a name under
 * which it is heard of, is looked at once more after that.
 *
 * Only what is known to be removed is removed: not what nobody can read at the moment, and not
 * what was in a PATH that is no longer there (a directory that is being replaced).
 */
export class ManifestFiles implements Source {
  readonly #options: ManifestFilesOptions
  #given: readonly string[]
  readonly #report: FindingsReport
  readonly #files = new Map<string, ManifestFile>()
  readonly #obstacles: Obstacles
  /** Real paths of the names that concern each file. */
  readonly #names = new Map<ManifestFile, readonly string[]>()
  #concerned = new Map<string, readonly ManifestFile[]>()
  #points = new WatchPoints()
  readonly #watches: WatchSet
  readonly #rounds: Rounds
  /** Not there any more; removed from the store with the next round. */
  readonly #gone = new Set<string>()
  /** There, but not in the tree: the inode. */
  readonly #unlisted = new Map<string, bigint>()
  readonly #changes = new Map<string, readonly KubeObject[]>()
  readonly #origins = new Set<string>()
  readonly #timers: { conflicts?: Timer; unlisted?: Timer; retry?: Timer } = {}
  /** Pipes (`-f <(helm template .)`), and standard input. */
  readonly #readOnce = new Set(['-'])
  #started = false
  #closed = false
  #onSettled: () => void = () => undefined

  constructor(options: ManifestFilesOptions) {
    this.#options = options
    const { clock, paths } = options
    this.#given = paths
    this.#report = new FindingsReport({
      ...options,
      onMended: path => this.#onMended(path),
    })
    this.#obstacles = new Obstacles(this.#report, paths[0] ?? '.', place =>
      [...this.#files.values()].some(file => isAtOrBelow(file.path, place)),
    )
    this.#watches = new WatchSet(clock, (directory, name, hint) =>
      this.#heard(directory, name, hint),
    )
    this.#rounds = new Rounds({
      clock,
      busy: () => [...this.#files.values()].some(file => file.follower.busy),
      flush: () => this.#flush(),
    })
  }

  async start(): Promise<void> {
    const { paths, watch, watchFrom } = this.#options
    if (paths.includes('-')) await this.#readStdin()
    for (const path of this.#paths()) {
      if (!(await isPipe(path))) continue
      this.#readOnce.add(path)
      await this.#readFile(path)
    }
    const tree = await findManifests(this.#paths())
    if (this.#options.patient !== true) refuseProblems(tree)
    if (watch) {
      // What changes before there is a watch is seen by the look after that.
      for (const found of tree.files) this.#open(found)
      if (watchFrom === undefined)
        await this.#rounds.look(() => this.#lookAround())
      else inBackground(watchFrom.then(() => this.#lookAgain()))
      await this.#allKnown()
    } else {
      for (const { path } of tree.files) await this.#readFile(path)
    }
    // Not before: which of two files has an object must not hang on which was read first.
    this.#started = true
    this.#flush()
    this.#reportConflicts()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#rounds.close()
    this.#report.close()
    for (const timer of Object.values(this.#timers)) timer?.cancel()
    this.#watches.close()
    for (const file of this.#files.values()) file.close()
  }

  get isSound(): boolean {
    // Nobody knows what an empty file was to say.
    const isAnyEmpty = [...this.#files.values()].some(file => file.isEmpty)
    return this.mistakes === 0 && !isAnyEmpty
  }

  get mistakes(): number {
    return this.#report.mistakes
  }

  /** Other PATHs from now on. Objects of those that are no longer among them go. */
  setPaths(paths: readonly string[]): void {
    this.#given = paths
    this.#lookAgain()
  }

  #paths(): readonly string[] {
    return this.#given.filter(path => !this.#readOnce.has(path))
  }

  async #readStdin(): Promise<void> {
    const { stdin = process.stdin } = this.#options
    await this.#read('stdin', await readStream(stdin, maxFileBytes))
  }

  async #readFile(path: string): Promise<void> {
    const content = await readBounded(path, maxFileBytes).catch(
      (error: unknown) => {
        throw unreadable(path, error)
      },
    )
    await this.#read(path, content)
  }

  async #read(origin: string, content: Buffer | TooLarge): Promise<void> {
    this.#take(
      origin,
      Buffer.isBuffer(content)
        ? await readMaybeEncrypted(content, origin, this.#options)
        : broken([tooLarge(origin, content)]),
    )
  }

  /** Of what will not be watched: believed as it is. */
  #take(origin: string, manifest: Manifest): void {
    this.#changes.set(origin, manifest.objects)
    this.#report.set(origin, manifest.findings)
  }

  #heard(directory: string, name: string | null, hint: Hint): void {
    if (this.#closed) return
    if (name === null || name.startsWith('..')) {
      if (name !== null && !this.#points.matters(directory, name)) return
      // `..data` has been swapped, or something that inotify could not name has happened.
      for (const file of this.#files.values()) this.#hint(file, hint)
      this.#lookAgain()
      return
    }
    const path = join(directory, name)
    const files = this.#concerned.get(path) ?? []
    for (const file of files) this.#hint(file, hint)
    if (files.length > 0) {
      if (hint === 'rename') inBackground(this.#noteLink(path, files))
      return
    }
    if (!this.#points.matters(directory, name) || isEditorsFile(name)) return
    // A known file tells itself when it is gone; any other name may be a new one.
    if (hint === 'rename' || name === '.gitignore') {
      if (!name.startsWith('.')) this.#rounds.heardOther(path)
      this.#lookAgain()
    }
  }

  #hint(file: ManifestFile, hint: Hint): void {
    if (file.known) this.#rounds.heard(file.path)
    else this.#rounds.heardOther(file.path)
    file.follower.hint(hint)
  }

  /** The name of a known file may be a link now, or one to elsewhere. */
  async #noteLink(path: string, files: readonly ManifestFile[]): Promise<void> {
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) return
    const wasLink = files.some(file => (this.#names.get(file)?.length ?? 0) > 1)
    if (found.isSymbolicLink() || wasLink) this.#lookAgain()
  }

  #lookAgain(): void {
    inBackground(this.#rounds.look(() => this.#lookAround()))
  }

  /** Brings the set of files and watches in line with the directories. */
  async #lookAround(): Promise<void> {
    for (let again = true; again && !this.#closed;) {
      const tree = await findManifests(this.#paths())
      this.#points = tree.points
      const [path = '.'] = this.#paths()
      const { renewed, limit } = await this.#watches.set(tree.points, path)
      this.#report.set(
        'watch',
        limit === undefined ? [] : [limitFinding(limit)],
      )
      this.#noteProblems(tree)
      await this.#follow(tree, renewed)
      again = renewed
    }
  }

  #noteProblems({ problems }: ManifestTree): void {
    const told = new Map(
      [...problems].filter(
        // A FILE that was removed is no mistake; its directory, or a DIR, may come back.
        ([path, error]) => !isAbsence(error) || !this.#isRemoved(path),
      ),
    )
    this.#obstacles.set('', told)
    for (const [path, file] of this.#files) {
      const way = [...told].find(([each]) => isAtOrBelow(path, each))
      const obstacle = way && unreadableFinding(unreadable(...way))
      if (file.obstacle?.message === obstacle?.message) continue
      file.obstacle = obstacle
      this.#options.store.keep(path, file.kept())
    }
    this.#timers.retry?.cancel()
    if ([...told.values()].every(isAbsence)) return
    this.#timers.retry = this.#options.clock.after(retryMs, () =>
      this.#lookAgain(),
    )
  }

  /** Says nothing of what only is not read any more: a PATH that was taken out, a hidden file. */
  #onMended(path: string): void {
    const isGiven = this.#paths().some(
      each => isAtOrBelow(path, each) || isAtOrBelow(each, path),
    )
    const isHidden = !this.#files.has(path) && isFile(path)
    if (isGiven && !isHidden) this.#options.onMended?.(path)
  }

  /** False while the PATH that the file belongs to is itself not there. */
  #isRemoved(path: string): boolean {
    const root = this.#paths().find(each => isAtOrBelow(path, each))
    if (root === undefined) return true
    const isFile = this.#files.has(root)
    return isDirectory(isFile ? dirname(root) : root)
  }

  async #follow(tree: ManifestTree, renewed: boolean): Promise<void> {
    this.#followListed(tree, renewed)
    const listed = new Set(tree.files.map(({ path }) => path))
    const closed = [...tree.problems]
      .filter(([, error]) => !isAbsence(error))
      .map(([path]) => path)
    for (const file of this.#files.values()) {
      const { path } = file
      if (listed.has(path)) continue
      const unknown = closed.some(each => isAtOrBelow(path, each))
      if (!unknown) await this.#onUnlisted(file)
    }
  }

  /**
   * Synchronous from the look at a file to the names under which it is heard of: an event that came
   * in between would concern no file.
   */
  #followListed({ files }: ManifestTree, renewed: boolean): void {
    for (const found of files) {
      const { path, names } = found
      this.#unlisted.delete(path)
      const file = this.#files.get(path)
      if (file === undefined) {
        this.#open(found)
        continue
      }
      const isHeard = isDeepStrictEqual(this.#names.get(file), names)
      this.#names.set(file, names)
      // Not `rename`: of what was written before nobody has heard.
      if (renewed || !isHeard) this.#hint(file, 'change')
    }
    const concerned = new Map<string, ManifestFile[]>()
    for (const [file, names] of this.#names) {
      for (const name of names) {
        const others = concerned.get(name)
        if (others === undefined) concerned.set(name, [file])
        else others.push(file)
      }
    }
    this.#concerned = concerned
  }

  /**
   * A file that is not in the tree: gone (the follower says so when it is sure), hidden by a
   * .gitignore from now on, or in a directory that is just being replaced.
   */
  async #onUnlisted({ path, follower }: ManifestFile): Promise<void> {
    follower.hint('rename')
    const found = await look(path).catch(() => undefined)
    if (found === undefined || !this.#isRemoved(path)) {
      this.#unlisted.delete(path)
      return
    }
    // The same file was there before this look around, and is there after it.
    if (this.#unlisted.get(path) === found.ino) {
      this.#drop(path)
      this.#rounds.settled(path, false)
      return
    }
    this.#unlisted.set(path, found.ino)
    this.#timers.unlisted?.cancel()
    this.#timers.unlisted = this.#options.clock.after(unlistedMs, () =>
      this.#lookAgain(),
    )
  }

  #open({ path, names }: FoundFile): void {
    const file: ManifestFile = new ManifestFile({
      ...this.#options,
      path,
      onObjects: objects => this.#changes.set(path, objects),
      onFindings: (about, findings) => {
        this.#report.set(about === 'file' ? `${path} file` : path, findings)
        this.#options.store.keep(path, file.kept())
      },
      onUnreadable: error => {
        this.#obstacles.set(
          path,
          new Map(error === undefined ? [] : [[path, error]]),
        )
        this.#options.store.keep(path, file.kept())
      },
      onGone: () => this.#gone.add(path),
      onBack: () => this.#gone.delete(path),
      onIdle: () => {
        this.#rounds.settled(path, !this.#gone.has(path))
        this.#onSettled()
      },
    })
    this.#files.set(path, file)
    this.#names.set(file, names)
    file.follower.hint('change')
  }

  #drop(path: string): void {
    const file = this.#files.get(path)
    if (file === undefined) return
    file.close()
    this.#files.delete(path)
    this.#names.delete(file)
    this.#unlisted.delete(path)
    this.#report.set(path, [])
    this.#report.set(`${path} file`, [])
    this.#options.store.keep(path, new Map())
    this.#changes.set(path, [])
    this.#onSettled()
    // It may have come back in the meantime, unheard because it was still followed.
    if (this.#started) this.#lookAgain()
  }

  async #allKnown(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#onSettled = () => {
        if ([...this.#files.values()].every(file => file.known)) resolve()
      }
      this.#onSettled()
    })
    this.#onSettled = () => undefined
  }

  #flush(): void {
    if (this.#closed || !this.#started) return
    for (const path of this.#gone) {
      // What is in a PATH that is away comes back, or is looked at, together with it.
      if (this.#isRemoved(path)) this.#drop(path)
    }
    this.#gone.clear()
    if (this.#changes.size === 0) return
    const changes = new Map(
      [...this.#changes].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    this.#changes.clear()
    for (const [origin, objects] of changes) {
      if (objects.length === 0) this.#origins.delete(origin)
      else this.#origins.add(origin)
    }
    this.#options.store.apply(changes)
    this.#waitForConflicts()
  }

  #waitForConflicts(): void {
    this.#timers.conflicts?.cancel()
    this.#timers.conflicts = this.#options.clock.after(conflictMs, () => {
      if (this.#gone.size > 0) this.#waitForConflicts()
      else this.#reportConflicts()
    })
  }

  #reportConflicts(): void {
    const own = this.#options.store
      .conflicts()
      .filter(({ origin }) => this.#origins.has(origin))
    this.#report.set(
      'conflicts',
      own.map(conflict => conflict.finding),
    )
  }
}

interface Timer {
  cancel(): void
}

/** What can be read once, such as the `/dev/fd/63` of a shell's `<(COMMAND)`. */
async function isPipe(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && !found.isFile() && !found.isDirectory()
}
