import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { keyOf } from '../api/object-key.ts'
import type { Finding } from '../api/report.ts'
import type { KubeObject } from '../api/types.ts'
import type { Hint } from './directory-watch.ts'
import { unreadable, watchLimit } from './errors.ts'
import { FindingsReport } from './findings-report.ts'
import { FollowedFile, goneMs, type FileEvent } from './followed-file.ts'
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

export interface ManifestFilesOptions extends SourceOptions {
  /** Files, directories, `-` for standard input. */
  readonly paths: readonly string[]
  /** What `-` reads; the process's own by default. */
  readonly stdin?: NodeJS.ReadableStream
}

interface ManifestFile {
  readonly follower: FollowedFile
  /** What the store has from this file. */
  objects: readonly KubeObject[]
  /** The last read; undefined before the first. */
  manifest: Manifest | undefined
  /** The first read is done, and what is wrong with it is believed. */
  known: boolean
}

/**
 * The objects of manifest files and directories, live.
 *
 * The order of trust: what can be read is served at once; what is missing or wrong is
 * believed when the file has been quiet for 250 ms, because its writer may not have finished.
 * - New and changed objects go to the store as soon as they are read.
 * - An object that is no longer in its file is removed when the file is quiet and has no
 *   mistakes (with one, nobody knows which object it was to be).
 * - A file that is not YAML, or empty, changes nothing in the store.
 * - Only a file that stays away for 100 ms takes its objects with it.
 */
export class ManifestFiles implements Source {
  readonly #options: ManifestFilesOptions
  readonly #report: FindingsReport
  readonly #files = new Map<string, ManifestFile>()
  /** Real path of a name -> files that it concerns. */
  #hintKeys = new Map<string, readonly ManifestFile[]>()
  readonly #watches: WatchSet
  readonly #rounds: Rounds
  readonly #changes = new Map<string, readonly KubeObject[]>()
  #conflictTimer: { cancel(): void } | undefined
  /** Followed, but not found in the tree since. */
  readonly #unlisted = new Map<string, number>()
  #unlistedTimer: { cancel(): void } | undefined
  #started = false
  #closed = false
  #onKnown: () => void = () => undefined

  constructor(options: ManifestFilesOptions) {
    this.#options = options
    this.#report = new FindingsReport(options.report)
    this.#watches = new WatchSet((directory, name, hint) =>
      this.#heard(directory, name, hint),
    )
    this.#rounds = new Rounds(options.clock, {
      busy: () => [...this.#files.values()].some(file => file.follower.busy),
      flush: () => this.#flush(),
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
    } else {
      for (const path of tree.files) await this.#readOnce(path)
    }
    await this.#allKnown()
    // Not before: which of two files has an object must not hang on which was read first.
    this.#started = true
    this.#flush()
    this.#reportConflicts()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#rounds.close()
    this.#conflictTimer?.cancel()
    this.#unlistedTimer?.cancel()
    this.#watches.close()
    for (const file of this.#files.values()) file.follower.close()
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
    if (name === null || name.startsWith('..')) {
      // `..data` has been swapped, or something that inotify could not name has happened.
      for (const { follower } of this.#files.values()) follower.hint(hint)
      void this.#rounds.look(() => this.#lookAround())
      return
    }
    const files = this.#hintKeys.get(join(directory, name)) ?? []
    for (const { follower } of files) follower.hint(hint)
    if (files.length > 0) return
    if (hint === 'rename' || name === '.gitignore') {
      void this.#rounds.look(() => this.#lookAround())
    }
  }

  /** Brings the set of files and watches in line with the directories. */
  async #lookAround(): Promise<void> {
    for (let again = true; again && !this.#closed;) {
      const tree = await findManifests(this.#paths())
      again = await this.#watch(tree)
      await this.#follow(tree, again)
    }
  }

  async #watch(tree: ManifestTree): Promise<boolean> {
    try {
      return await this.#watches.set(tree.directories)
    } catch (error) {
      const path = this.#paths()[0] ?? '.'
      const problem = watchLimit(path, error) ?? unreadable(path, error)
      if (!this.#started) throw problem
      this.#report.set('watch', [
        fileFinding('rejected', path, problem.message),
      ])
      return false
    }
  }

  async #follow(tree: ManifestTree, lookAtAll: boolean): Promise<void> {
    const listed = new Set(tree.files)
    const keys = new Map<string, readonly ManifestFile[]>()
    for (const path of tree.files) {
      let file = this.#files.get(path)
      if (file === undefined) {
        file = this.#open(path)
        this.#files.set(path, file)
        file.follower.hint('change')
      } else if (lookAtAll) {
        file.follower.hint('rename')
      }
      for (const key of await hintKeys(path)) {
        keys.set(key, [...(keys.get(key) ?? []), file])
      }
    }
    this.#hintKeys = keys
    for (const [path, file] of this.#files) {
      if (listed.has(path)) this.#unlisted.delete(path)
      else this.#onUnlisted(path, file)
    }
  }

  /**
   * A file that is not in the tree: gone (the follower says so when it is sure), hidden by a
   * .gitignore from now on, or in a directory that is just being replaced.
   */
  #onUnlisted(path: string, file: ManifestFile): void {
    const { clock } = this.#options
    file.follower.hint('rename')
    const since = this.#unlisted.get(path)
    if (since !== undefined && clock.now() - since >= goneMs) {
      this.#drop(path, file)
      return
    }
    if (since === undefined) this.#unlisted.set(path, clock.now())
    this.#unlistedTimer?.cancel()
    this.#unlistedTimer = clock.after(goneMs + 1, () => {
      void this.#rounds.look(() => this.#lookAround())
    })
  }

  #open(path: string): ManifestFile {
    const file: ManifestFile = {
      follower: new FollowedFile({
        path,
        clock: this.#options.clock,
        onEvent: event => this.#onFile(path, file, event),
        onIdle: () => {
          // Empty or not to be read: nothing more to wait for at the start.
          if (!this.#started && file.manifest === undefined) this.#know(file)
          this.#rounds.settled()
        },
      }),
      objects: [],
      manifest: undefined,
      known: false,
    }
    return file
  }

  #onFile(path: string, file: ManifestFile, event: FileEvent): void {
    const told = `${path} file`
    switch (event.kind) {
      case 'content':
        this.#report.set(told, [])
        this.#onContent(path, file, event.bytes.toString())
        return
      case 'stable':
        this.#onStable(path, file)
        this.#know(file)
        return
      case 'empty':
        this.#report.set(told, [
          fileFinding(
            'ignored',
            path,
            file.objects.length === 0
              ? 'the file is empty'
              : 'the file is empty; the objects it had are kept until it is removed',
          ),
        ])
        return
      case 'gone':
        this.#report.set(told, [])
        this.#drop(path, file)
        return
      case 'unreadable':
        this.#report.set(told, [
          fileFinding(
            'rejected',
            path,
            unreadable('', event.error).message.replace(/^: /, ''),
          ),
        ])
        this.#know(file)
    }
  }

  #onContent(path: string, file: ManifestFile, text: string): void {
    const manifest = readManifest(text, path, this.#options)
    file.manifest = manifest
    if (!manifest.parsed) return
    if (manifest.findings.every(finding => finding.treatment !== 'rejected')) {
      this.#report.set(path, manifest.findings)
      const keys = new Set(manifest.objects.map(keyOf))
      if (file.objects.every(object => keys.has(keyOf(object))))
        this.#know(file)
    }
    this.#set(path, file, withMissing(manifest.objects, file.objects))
  }

  #onStable(path: string, file: ManifestFile): void {
    const { manifest } = file
    if (manifest === undefined) return
    this.#report.set(path, manifest.findings)
    if (!manifest.parsed) return
    const wrong = manifest.findings.some(
      finding => finding.treatment === 'rejected',
    )
    this.#set(
      path,
      file,
      wrong ? withMissing(manifest.objects, file.objects) : manifest.objects,
    )
    this.#rounds.settled()
  }

  #set(path: string, file: ManifestFile, objects: readonly KubeObject[]): void {
    file.objects = objects
    this.#changes.set(path, objects)
  }

  #drop(path: string, file: ManifestFile): void {
    if (this.#files.get(path) !== file) return
    file.follower.close()
    this.#files.delete(path)
    this.#unlisted.delete(path)
    this.#report.set(path, [])
    this.#changes.set(path, [])
    this.#know(file)
    this.#rounds.settled()
    // It may have come back in the meantime, unheard because it was still followed.
    if (this.#started) void this.#rounds.look(() => this.#lookAround())
  }

  #know(file: ManifestFile): void {
    file.known = true
    this.#onKnown()
  }

  async #allKnown(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#onKnown = () => {
        if ([...this.#files.values()].every(file => file.known)) resolve()
      }
      this.#onKnown()
    })
    this.#onKnown = () => undefined
  }

  #flush(): void {
    if (this.#changes.size === 0 || this.#closed || !this.#started) return
    const changes = new Map(
      [...this.#changes].sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    this.#changes.clear()
    this.#options.store.apply(changes)
    this.#conflictTimer?.cancel()
    this.#conflictTimer = this.#options.clock.after(conflictMs, () =>
      this.#reportConflicts(),
    )
  }

  #reportConflicts(): void {
    const own = this.#options.store
      .conflicts()
      .filter(
        ({ origin }) =>
          origin === 'stdin' || this.#files.has(origin) || !this.#options.watch,
      )
    this.#report.set(
      'conflicts',
      own.map(conflict => conflict.finding),
    )
  }
}

/** What the file had and does not have, after what it has. */
function withMissing(
  objects: readonly KubeObject[],
  before: readonly KubeObject[],
): readonly KubeObject[] {
  const keys = new Set(objects.map(keyOf))
  return [...objects, ...before.filter(object => !keys.has(keyOf(object)))]
}

function fileFinding(
  treatment: 'rejected' | 'ignored',
  path: string,
  message: string,
): Finding {
  return { treatment, position: { path, line: 1, column: 1 }, message }
}
