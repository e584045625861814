import { readdir, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { objectKey } from '../../api/object-key.ts'
import type { Finding } from '../../api/report.ts'
import { tooLong } from '../../api/field-errors.ts'
import { maxDataBytes } from '../../api/validation/data.ts'
import { unreadable } from '../errors.ts'
import { FindingsReport } from '../findings-report.ts'
import { isDirectory } from '../kind-at.ts'
import { LiveFiles, type Listing } from '../live-files.ts'
import { Obstacles } from '../obstacles.ts'
import type { Source, SourceOptions } from '../source.ts'
import { WatchPoints } from '../watch-points.ts'
import { fileFinding, keysAmong } from './directory-keys.ts'
import { objectOfFiles, type DirectoryObject } from './directory-object.ts'
import { KeyFile, sizeOf } from './key-file.ts'

export interface DirectorySourceOptions
  extends Omit<SourceOptions, 'watch'>, DirectoryObject {}

/**
 * A plain directory as one ConfigMap or Secret, live (live-files.ts), by the rules of
 * `kubectl create configmap --from-file=DIR`: its regular files, each name a key; of a
 * ConfigMap text under `data`, other bytes under `binaryData`. Sub-directories are not looked
 * into. `NAME.age`, an age file, is the key NAME.
 *
 * A directory that is itself a published volume works: its names are links through `..data`,
 * and such links are followed. Other links are left out and reported once, as are names that
 * cannot be keys; editors' files are passed over in silence.
 *
 * While the directory itself is away (it is being replaced) the object stays as it was.
 */
export class DirectorySource implements Source {
  readonly #options: DirectorySourceOptions
  readonly #report: FindingsReport
  readonly #live: LiveFiles<KeyFile>
  #real = ''

  constructor(options: DirectorySourceOptions) {
    this.#options = options
    const { clock, directory } = options
    const report = new FindingsReport({
      ...options,
      onChange: () => this.#keep(),
    })
    const obstacles = new Obstacles(report, directory)
    this.#report = report
    this.#live = new LiveFiles({
      clock,
      report,
      obstacles,
      root: () => directory,
      list: () => this.#list(),
      open: path => new KeyFile(path, options, this.#live),
      newsOf: (path, _, files) => {
        // On the way to the directory.
        if (dirname(path) !== this.#real) return 'look'
        return files.length === 0 ? 'new' : 'none'
      },
      onUnlisted: async ({ follower }) => {
        if (isDirectory(directory)) follower.hint('rename')
      },
      // A directory that is away comes back with its files, or with others.
      isRemoved: () => isDirectory(directory),
      onDropped: path => {
        const name = basename(path)
        obstacles.set(name, new Map())
        report.set(`key ${name}`, [])
      },
      publish: () => this.#publish(),
    })
  }

  async start(): Promise<void> {
    const { directory } = this.#options
    try {
      await readdir(directory)
    } catch (error) {
      throw unreadable(directory, error)
    }
    await this.#live.look()
    try {
      await this.#allRead()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#live.begin()
  }

  get isSound(): boolean {
    return this.#live.isStarted && this.mistakes === 0
  }

  get mistakes(): number {
    return this.#report.mistakes
  }

  /** After `close`: its object goes from the store. */
  release(): void {
    this.#options.store.replace(this.#origin, [])
    this.#options.store.keep(this.#origin, new Map())
  }

  async close(): Promise<void> {
    this.#live.close()
    this.#report.close()
  }

  /** The names that are keys; tells of those that are not. */
  async #list(): Promise<Listing> {
    const { directory } = this.#options
    const points = new WatchPoints()
    await points.addPath(directory)
    const real = await realpath(directory).catch(() => undefined)
    if (real !== undefined) points.addAll(real)
    this.#real = real ?? this.#real
    const entries = await readdir(directory, { withFileTypes: true }).catch(
      (error: unknown) => error,
    )
    if (!Array.isArray(entries))
      return { files: [], points, problems: new Map([[directory, entries]]) }
    const { keys, findings } = await keysAmong(entries, directory)
    this.#report.set('names', findings)
    const files = keys.map(name => ({
      path: join(directory, name),
      names: [join(this.#real, name)],
    }))
    return { files, points }
  }

  async #allRead(): Promise<void> {
    const failed = () =>
      this.#live.all.find(({ startFailure }) => startFailure !== undefined)
    await this.#live.until(
      () =>
        failed() !== undefined ||
        this.#live.all.every(each => each.follower.isLookedAt),
    )
    if (failed() === undefined)
      for (const file of this.#live.all) if (file.isNothing) file.takeEmpty()
    const failure = failed()?.startFailure
    if (failure !== undefined) throw failure
  }

  #publish(): void {
    const { store } = this.#options
    if (sizeOf(this.#live.all) > maxDataBytes) {
      // What was served stays.
      this.#report.set('size', [this.#tooLarge()])
      return
    }
    const unread = this.#live.all.filter(file => !file.wasRead && file.size > 0)
    if (unread.length > 0) {
      // There was no room for them when they were looked at.
      for (const { follower } of unread) follower.readAgain()
      return
    }
    this.#report.set('size', [])
    const files = this.#live.all.flatMap(({ name, bytes }) =>
      bytes === undefined ? [] : [[name, bytes] as const],
    )
    const object = objectOfFiles(new Map(files), this.#options)
    const conflicts = store.replace(this.#origin, [object])
    this.#report.set(
      'data',
      conflicts.map(conflict => conflict.finding),
    )
  }

  /** The object is not what its files say now. */
  #keep(): void {
    const { kind, namespace, name, store } = this.#options
    const mistake = this.#report.mistake(
      origin => origin === 'size' || /^(key |obstacles$)/.test(origin),
    )
    const key = objectKey(kind, namespace, name)
    store.keep(
      this.#origin,
      new Map(mistake === undefined ? [] : [[key, mistake]]),
    )
  }

  #tooLarge(): Finding {
    const { directory } = this.#options
    const largest = [...this.#live.all]
      .sort((a, b) => b.size - a.size)
      .slice(0, 3)
      .map(({ name, size }) => `${name} (${size} bytes)`)
    return {
      ...fileFinding('rejected', directory, `data: ${tooLong(maxDataBytes)}`),
      fix: `move elsewhere what is largest: ${largest.join(', ')}`,
    }
  }

  get #origin(): string {
    const { directory, kind, namespace, name } = this.#options
    return `${directory} ${kind} ${namespace}/${name}`
  }
}
