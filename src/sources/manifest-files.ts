import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import type { DecodeOptions } from '../api/decode/decode-object.ts'
import type { KubeObject } from '../api/types.ts'
import type { Hint } from './directory-watch.ts'
import { unreadable, watchLimit } from './errors.ts'
import { FindingsReport } from './findings-report.ts'
import { look } from './followed-file.ts'
import { GoneFiles } from './gone-files.ts'
import { ManifestFile } from './manifest-file.ts'
import { readManifest, type Manifest } from './manifest-reader.ts'
import {
  findManifests,
  hintKeys,
  refuseMissing,
  type ManifestTree,
} from './manifest-tree.ts'
import { Rounds } from './rounds.ts'
import type { Source, SourceOptions } from './source.ts'
import { WatchSet } from './watch-set.ts'

/** A conflict between two files is believed when it lasts: an object may be moving. */
const conflictMs = 500
/** A file that a .gitignore hides is looked for once more before it is let go. */
const unlistedMs = 100

export interface ManifestFilesOptions
  extends SourceOptions, Pick<DecodeOptions, 'onFields'> {
  /** Files, directories, `-` for standard input. */
  readonly paths: readonly string[]
  /** What `-` reads; the process's own by default. */
  readonly stdin?: NodeJS.ReadableStream
}

/**
 * The objects of manifest files and directories, live.
 *
 * Who knows what:
 * - manifest-tree.ts: which files are meant, and which directories tell of a change;
 * - directory-watch.ts: that something happened to a name. A hint, nothing more;
 * - followed-file.ts: when a file is complete, when it is gone;
 * - manifest-file.ts: what of its content is believed;
 * - this class: which file a hint concerns, and what goes into the store together.
 */
export class ManifestFiles implements Source {
  readonly #options: ManifestFilesOptions
  readonly #report: FindingsReport
  readonly #files = new Map<string, ManifestFile>()
  /** Real path of a name -> files that it concerns. */
  #hintKeys = new Map<string, readonly ManifestFile[]>()
  readonly #watches: WatchSet
  readonly #rounds: Rounds
  readonly #gone: GoneFiles
  /** There, but not in the tree: the inode. */
  readonly #unlisted = new Map<string, bigint>()
  readonly #changes = new Map<string, readonly KubeObject[]>()
  readonly #origins = new Set<string>()
  readonly #timers: { conflicts?: Timer; unlisted?: Timer } = {}
  #started = false
  #closed = false
  #onSettled: () => void = () => undefined

  constructor(options: ManifestFilesOptions) {
    this.#options = options
    const { clock } = options
    this.#report = new FindingsReport(options.report)
    this.#watches = new WatchSet((directory, name, hint) =>
      this.#heard(directory, name, hint),
    )
    this.#rounds = new Rounds(clock, {
      busy: () => this.#busy(),
      flush: () => this.#flush(),
    })
    this.#gone = new GoneFiles({
      clock,
      busy: () => this.#rounds.looking || this.#busy(),
      drop: path => this.#drop(path),
    })
  }

  async start(): Promise<void> {
    const { paths, watch } = this.#options
    if (paths.includes('-')) await this.#readStdin()
    const tree = await findManifests(this.#paths())
    refuseMissing(tree)
    if (watch) {
      await this.#watch(tree)
      // What came between the look and the watch.
      await this.#lookAround()
      await this.#allKnown()
    } else {
      for (const path of tree.files) await this.#readOnce(path)
    }
    // Not before: which of two files has an object must not hang on which was read first.
    this.#started = true
    this.#flush()
    this.#reportConflicts()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#rounds.close()
    this.#gone.close()
    this.#timers.conflicts?.cancel()
    this.#timers.unlisted?.cancel()
    this.#watches.close()
    for (const file of this.#files.values()) file.follower.close()
  }

  #busy(): boolean {
    return [...this.#files.values()].some(file => file.follower.busy)
  }

  #paths(): readonly string[] {
    return this.#options.paths.filter(path => path !== '-')
  }

  async #readStdin(): Promise<void> {
    const text = await readText(this.#options.stdin ?? process.stdin)
    this.#take('stdin', readManifest(text, 'stdin', this.#options))
  }

  async #readOnce(path: string): Promise<void> {
    const bytes = await readFile(path).catch((error: unknown) => {
      throw unreadable(path, error)
    })
    this.#take(path, readManifest(bytes.toString(), path, this.#options))
  }

  /** Of what will not be watched: believed as it is. */
  #take(origin: string, manifest: Manifest): void {
    this.#changes.set(origin, manifest.objects)
    this.#report.set(origin, manifest.findings)
  }

  #heard(directory: string, name: string | null, hint: Hint): void {
    if (this.#closed) return
    this.#gone.heard()
    if (name === null || name.startsWith('..')) {
      // `..data` has been swapped, or something that inotify could not name has happened.
      for (const { follower } of this.#files.values()) follower.hint(hint)
      this.#lookAgain()
      return
    }
    const files = this.#hintKeys.get(join(directory, name)) ?? []
    for (const { follower } of files) follower.hint(hint)
    // A known file tells itself when it is gone; any other name may be a new one.
    if (files.length > 0) return
    if (hint === 'rename' || name === '.gitignore') this.#lookAgain()
  }

  #lookAgain(): void {
    void this.#rounds.look(() => this.#lookAround())
  }

  /** Brings the set of files and watches in line with the directories. */
  async #lookAround(): Promise<void> {
    for (let again = true; again && !this.#closed;) {
      const tree = await findManifests(this.#paths())
      again = await this.#watch(tree)
      await this.#follow(tree, again)
    }
  }

  /** True when the caller should look again, because a watch is new. */
  async #watch(tree: ManifestTree): Promise<boolean> {
    try {
      return await this.#watches.set(tree.directories)
    } catch (error) {
      const path = this.#paths()[0] ?? '.'
      const problem = watchLimit(path, error) ?? unreadable(path, error)
      if (!this.#started) throw problem
      const { reason, fix } = problem
      this.#report.set('watch', [
        {
          treatment: 'rejected',
          position: { path, line: 1, column: 1 },
          message: reason,
          ...(fix !== undefined && { fix }),
        },
      ])
      return false
    }
  }

  async #follow(tree: ManifestTree, lookAtAll: boolean): Promise<void> {
    const listed = new Set(tree.files)
    for (const path of tree.files) {
      const file = this.#files.get(path)
      if (file === undefined) this.#open(path)
      else if (lookAtAll) file.follower.hint('rename')
      this.#unlisted.delete(path)
    }
    const found = await Promise.all(
      [...this.#files.values()].map(
        async file => [file, await hintKeys(file.path)] as const,
      ),
    )
    const keys = new Map<string, readonly ManifestFile[]>()
    for (const [file, names] of found) {
      for (const name of names)
        keys.set(name, [...(keys.get(name) ?? []), file])
    }
    this.#hintKeys = keys
    for (const file of this.#files.values()) {
      if (!listed.has(file.path)) await this.#onUnlisted(file)
    }
  }

  /**
   * A file that is not in the tree: gone (the follower says so when it is sure), hidden by a
   * .gitignore from now on, or in a directory that is just being replaced.
   */
  async #onUnlisted({ path, follower }: ManifestFile): Promise<void> {
    follower.hint('rename')
    const found = await look(path).catch(() => undefined)
    if (found === undefined) {
      this.#unlisted.delete(path)
      return
    }
    // The same file was there before this look around, and is there after it.
    if (this.#unlisted.get(path) === found.ino) {
      this.#drop(path)
      return
    }
    this.#unlisted.set(path, found.ino)
    this.#timers.unlisted?.cancel()
    this.#timers.unlisted = this.#options.clock.after(unlistedMs, () =>
      this.#lookAgain(),
    )
  }

  #open(path: string): void {
    const { namespace, clock } = this.#options
    const file = new ManifestFile({
      path,
      namespace,
      clock,
      onObjects: objects => this.#changes.set(path, objects),
      onFindings: (about, findings) =>
        this.#report.set(about === 'file' ? `${path} file` : path, findings),
      onGone: () => this.#gone.add(path),
      onBack: () => this.#gone.delete(path),
      onIdle: () => {
        this.#rounds.settled()
        this.#onSettled()
      },
    })
    this.#files.set(path, file)
    file.follower.hint('change')
  }

  #drop(path: string): void {
    const file = this.#files.get(path)
    if (file === undefined) return
    file.follower.close()
    this.#files.delete(path)
    this.#unlisted.delete(path)
    this.#gone.delete(path)
    this.#report.set(path, [])
    this.#changes.set(path, [])
    this.#rounds.settled()
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
    if (this.#changes.size === 0 || this.#closed || !this.#started) return
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
      if (this.#gone.pending) this.#waitForConflicts()
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
