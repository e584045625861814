import { lstat, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { DecodeOptions } from '../../api/decode/decode-object.ts'
import type { KubeObject } from '../../api/types.ts'
import {
  maxFileBytes,
  readBounded,
  readStream,
  type TooLarge,
} from '../../util/read-bounded.ts'
import { readMaybeEncrypted } from '../encryption/read-maybe-encrypted.ts'
import { unreadable } from '../errors.ts'
import type { Hint } from '../directory-watch.ts'
import { Conflicts } from '../conflicts.ts'
import { FindingsReport } from '../findings-report.ts'
import { look } from '../followed-file.ts'
import type { FoundFile } from '../found-file.ts'
import type { News } from '../watch-set.ts'
import { isAtOrBelow } from '../is-at-or-below.ts'
import { isDirectory, isFile } from '../kind-at.ts'
import { LiveFiles } from '../live-files.ts'
import { ManifestFile, tooLarge } from './manifest-file.ts'
import { broken } from './manifest-reader.ts'
import { findManifests, refuseProblems } from './manifest-tree.ts'
import { Obstacles } from '../obstacles.ts'
import type { Source, SourceOptions } from '../source.ts'
import { inBackground } from '../../util/in-background.ts'

/** A file that a .gitignore hides is looked for once more before it is let go. */
const unlistedMs = 100

export interface ManifestFilesOptions
  extends SourceOptions, Pick<DecodeOptions, 'onFields'> {
  /** Files, directories, `-` for standard input. */
  readonly paths: readonly string[]
  /** A PATH that is not there, or cannot be read, is told of and waited for, also at the start. */
  readonly patient?: boolean
  /** When it resolves, watches are made, which takes its time; until then nothing is heard. */
  readonly watchFrom?: Promise<unknown> | undefined
  /** What `-` reads; the process's own by default. */
  readonly stdin?: AsyncIterable<Buffer | string>
}

/**
 * The objects of manifest files and directories, live (live-files.ts): manifest-tree.ts says which
 * files are meant, manifest-file.ts what of each is believed.
 *
 * Only what is known to be removed is removed: not what nobody can read at the moment, and not
 * what was in a PATH that is no longer there (a directory that is being replaced).
 */
export class ManifestFiles implements Source {
  readonly #options: ManifestFilesOptions
  #given: readonly string[]
  readonly #report: FindingsReport
  readonly #live: LiveFiles<ManifestFile>
  readonly #conflicts: Conflicts
  /** There, but not in the tree: the inode. */
  readonly #unlisted = new Map<string, bigint>()
  /** Of what is read once, and of what is let go. */
  readonly #changes = new Map<string, readonly KubeObject[]>()
  readonly #origins = new Set<string>()
  /** Pipes (`-f <(helm template .)`), and standard input. */
  readonly #readOnce = new Set(['-'])

  constructor(options: ManifestFilesOptions) {
    this.#options = options
    const { clock, paths, store } = options
    this.#given = paths
    const report = new FindingsReport({
      ...options,
      onMended: path => this.#onMended(path),
    })
    const obstacles = new Obstacles(report, paths[0] ?? '.', place =>
      this.#live.all.some(({ path }) => isAtOrBelow(path, place)),
    )
    this.#report = report
    this.#live = new LiveFiles({
      clock,
      report,
      obstacles,
      root: () => this.#paths()[0] ?? '.',
      list: () => findManifests(this.#paths()),
      open: path => new ManifestFile(path, options, this.#live),
      newsOf: (path, hint, files) => this.#newsOf(path, hint, files),
      onUnlisted: file => this.#onUnlisted(file),
      isRemoved: path => this.#isRemoved(path),
      onDropped: path => this.#onDropped(path),
      publish: () => this.#publish(),
    })
    this.#conflicts = new Conflicts({
      clock,
      store,
      report,
      isOwn: origin => this.#origins.has(origin),
      isMoving: () => this.#live.gone.size > 0,
    })
  }

  async start(): Promise<void> {
    const { paths, watch, watchFrom, stdin = process.stdin } = this.#options
    if (paths.includes('-'))
      await this.#read('stdin', await readStream(stdin, maxFileBytes))
    for (const path of this.#paths()) {
      if (!(await isPipe(path))) continue
      this.#readOnce.add(path)
      await this.#readFile(path)
    }
    const tree = await findManifests(this.#paths())
    if (this.#options.patient !== true) refuseProblems(tree)
    if (watch) {
      // What changes before there is a watch is seen by the look after that.
      for (const found of tree.files) this.#live.open(found)
      if (watchFrom === undefined) await this.#live.look()
      else inBackground(watchFrom.then(() => this.#live.lookSoon()))
      await this.#live.until(() =>
        this.#live.all.every(({ wasRead }) => wasRead),
      )
    } else {
      for (const { path } of tree.files) await this.#readFile(path)
    }
    // Not before: which of two files has an object must not hang on which was read first.
    this.#live.begin()
    this.#conflicts.tell()
  }

  async close(): Promise<void> {
    this.#live.close()
    this.#report.close()
    this.#conflicts.close()
  }

  get isSound(): boolean {
    // Nobody knows what an empty file was to say.
    const isAnyEmpty = this.#live.all.some(({ isEmpty }) => isEmpty)
    return this.mistakes === 0 && !isAnyEmpty
  }

  get mistakes(): number {
    return this.#report.mistakes
  }

  /** Other PATHs from now on. Objects of those that are no longer among them go. */
  setPaths(paths: readonly string[]): void {
    this.#given = paths
    this.#live.lookSoon()
  }

  #paths(): readonly string[] {
    return this.#given.filter(path => !this.#readOnce.has(path))
  }

  async #readFile(path: string): Promise<void> {
    const content = await readBounded(path, maxFileBytes).catch(
      (error: unknown) => {
        throw unreadable(path, error)
      },
    )
    await this.#read(path, content)
  }

  /** Of what will not be watched: believed as it is. */
  async #read(origin: string, content: Buffer | TooLarge): Promise<void> {
    const { objects, findings } = Buffer.isBuffer(content)
      ? await readMaybeEncrypted(content, origin, this.#options)
      : broken([tooLarge(origin, content)])
    this.#changes.set(origin, objects)
    this.#report.set(origin, findings)
  }

  #newsOf(path: string, hint: Hint, files: readonly FoundFile[]): News {
    const name = basename(path)
    if (files.length > 0) {
      if (hint === 'rename') inBackground(this.#noteLink(path, files))
      return 'none'
    }
    // A known file tells itself when it is gone; any other name may be a new one.
    if (hint !== 'rename' && name !== '.gitignore') return 'none'
    return name.startsWith('.') ? 'look' : 'new'
  }

  /** The name of a known file may be a link now, or one to elsewhere. */
  async #noteLink(path: string, files: readonly FoundFile[]): Promise<void> {
    const found = await lstat(path).catch(() => undefined)
    if (found === undefined) return
    const wasLink = files.some(({ names }) => names.length > 1)
    if (found.isSymbolicLink() || wasLink) this.#live.lookSoon()
  }

  /** Says nothing of what only is not read any more: a PATH that was taken out, a hidden file. */
  #onMended(path: string): void {
    const isGiven = this.#paths().some(
      each => isAtOrBelow(path, each) || isAtOrBelow(each, path),
    )
    const isHidden = !this.#live.files.has(path) && isFile(path)
    if (isGiven && !isHidden) this.#options.onMended?.(path)
  }

  /** False while the PATH that the file belongs to is itself not there. */
  #isRemoved(path: string): boolean {
    const root = this.#paths().find(each => isAtOrBelow(path, each))
    if (root === undefined) return true
    return isDirectory(this.#live.files.has(root) ? dirname(root) : root)
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
      this.#live.drop(path)
      return
    }
    this.#unlisted.set(path, found.ino)
    this.#live.lookLater(unlistedMs)
  }

  #onDropped(path: string): void {
    this.#unlisted.delete(path)
    this.#report.set(path, [])
    this.#report.set(`${path} file`, [])
    this.#options.store.keep(path, new Map())
    this.#changes.set(path, [])
  }

  #publish(): void {
    for (const file of this.#live.all) {
      const objects = file.takeNews()
      if (objects !== undefined) this.#changes.set(file.path, objects)
    }
    if (this.#changes.size === 0) return
    const changes = new Map(
      [...this.#changes].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    this.#changes.clear()
    for (const origin of changes.keys()) this.#origins.add(origin)
    this.#options.store.apply(changes)
    this.#conflicts.tellLater()
  }
}

/** What can be read once, such as the `/dev/fd/63` of a shell's `<(COMMAND)`. */
async function isPipe(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && !found.isFile() && !found.isDirectory()
}
