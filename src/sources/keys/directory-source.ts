import { readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { objectKey } from '../../api/object-key.ts'
import type { Finding } from '../../api/report.ts'
import type { ConfigMap, Secret } from '../../api/types.ts'
import { tooLong } from '../../api/field-errors.ts'
import { maxDataBytes } from '../../api/validation/data.ts'
import { fileFinding, keysAmong } from './directory-keys.ts'
import { objectOfFiles, type DirectoryObject } from './directory-object.ts'
import type { Hint } from '../directory-watch.ts'
import { decryptAge, isAgeName } from '../encryption/age-file.ts'
import { DecryptionError } from '../encryption/decryption-error.ts'
import { LockedRetry } from '../encryption/locked-retry.ts'
import { isEditorsFile } from '../editors-files.ts'
import { limitFinding, SourceError, unreadable } from '../errors.ts'
import { FindingsReport } from '../findings-report.ts'
import { FollowedFile, type FileEvent } from '../followed-file.ts'
import { isDirectory } from '../kind-at.ts'
import { Obstacles } from '../obstacles.ts'
import { Rounds } from '../rounds.ts'
import type { Source, SourceOptions } from '../source.ts'
import { WatchPoints } from '../watch-points.ts'
import { WatchSet } from '../watch-set.ts'
import { inBackground } from '../../util/in-background.ts'

/** A new name must last so long: it may be the file that an editor renames over another. */
const newNameMs = 100
/** A directory that cannot be read is tried again this much later. */
const retryMs = 1000

/** An armored age file is so much larger, at most, than what is in it. */
const ageGrowth = 1.5
const emptyAgeFile = new DecryptionError(
  'DECRYPTION_DAMAGED',
  'empty: it is not what age has written',
)

export interface DirectorySourceOptions
  extends SourceOptions, DirectoryObject {}

interface KeyFile {
  readonly follower: FollowedFile<Buffer | DecryptionError>
  readonly retry: LockedRetry
  /** Undefined until the first read, and while the file is too large to be one. */
  bytes: Buffer | undefined
  /** Bytes, also of what is too large. */
  size: number
  /** Why the last content could not be decrypted. */
  problem: DecryptionError | undefined
}

/**
 * A plain directory as one ConfigMap or Secret, live, by the rules of
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
  readonly #obstacles: Obstacles
  readonly #files = new Map<string, KeyFile>()
  /** Not there any more; let go with the next round. */
  readonly #gone = new Set<string>()
  readonly #watches: WatchSet
  readonly #rounds: Rounds
  #points = new WatchPoints()
  #real = ''
  #retry: { cancel(): void } | undefined
  #started = false
  #closed = false
  #onRead: () => void = () => undefined
  #startFailure: SourceError | undefined

  constructor(options: DirectorySourceOptions) {
    this.#options = options
    const { clock, directory } = options
    this.#report = new FindingsReport({
      ...options,
      onChange: () => this.#keep(),
    })
    this.#obstacles = new Obstacles(this.#report, directory)
    this.#watches = new WatchSet(clock, (where, name, hint) =>
      this.#heard(where, name, hint),
    )
    this.#rounds = new Rounds({
      clock,
      busy: () => [...this.#files.values()].some(file => file.follower.busy),
      flush: () => this.#flush(),
    })
  }

  async start(): Promise<void> {
    const { directory, watch } = this.#options
    try {
      await readdir(directory)
    } catch (error) {
      throw unreadable(directory, error)
    }
    if (watch) await this.#rounds.look(() => this.#lookAround())
    else await this.#readOnce()
    try {
      await this.#allRead()
    } catch (error) {
      await this.close()
      throw error
    }
    this.#started = true
    this.#publish()
  }

  get isSound(): boolean {
    return this.#started && this.mistakes === 0
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
    this.#closed = true
    this.#rounds.close()
    this.#report.close()
    this.#retry?.cancel()
    this.#watches.close()
    for (const file of this.#files.values()) closeFile(file)
  }

  #heard(where: string, name: string | null, hint: Hint): void {
    if (this.#closed) return
    if (name === null) {
      this.#hintAll(hint)
    } else if (where === this.#real) {
      const file = this.#files.get(name)
      if (file !== undefined) {
        this.#hint(name, file, hint)
        return
      }
      if (isEditorsFile(name)) return
      // All links of a published volume change with `..data`, and nothing but it is heard.
      if (name.startsWith('..')) this.#hintAll(hint)
      this.#rounds.heardOther(name)
    } else if (!this.#points.matters(where, name)) {
      return
    }
    this.#look()
  }

  #look(): void {
    inBackground(this.#rounds.look(() => this.#lookAround()))
  }

  #hintAll(hint: Hint): void {
    for (const [name, file] of this.#files) this.#hint(name, file, hint)
  }

  #hint(name: string, file: KeyFile, hint: Hint): void {
    if (file.bytes === undefined) this.#rounds.heardOther(name)
    else this.#rounds.heard(name)
    file.follower.hint(hint)
  }

  async #readOnce(): Promise<void> {
    for (const name of await this.#keys()) {
      const file = this.#open(name)
      const { path } = file.follower
      const bytes = await readFile(path).catch((error: unknown) => {
        throw unreadable(path, error)
      })
      this.#onContent(name, file, await this.#decode(name, bytes))
      this.#files.set(name, file)
    }
  }

  async #lookAround(): Promise<void> {
    const { directory } = this.#options
    for (let again = true; again && !this.#closed;) {
      const points = new WatchPoints()
      await points.addPath(directory)
      const real = await realpath(directory).catch(() => undefined)
      if (real !== undefined) points.addAll(real)
      this.#real = real ?? this.#real
      this.#points = points
      const { renewed, limit } = await this.#watches.set(points, directory)
      this.#report.set(
        'watch',
        limit === undefined ? [] : [limitFinding(limit)],
      )
      // Not `rename`: of what was written before the watch nobody has heard.
      if (renewed) this.#hintAll('change')
      for (const name of await this.#keys()) {
        if (this.#files.has(name)) continue
        const file = this.#open(name)
        this.#files.set(name, file)
        file.follower.hint('change')
      }
      again = renewed
    }
  }

  /** The names that are keys; tells of those that are not. */
  async #keys(): Promise<readonly string[]> {
    const { directory } = this.#options
    this.#retry?.cancel()
    let entries
    try {
      entries = await readdir(directory, { withFileTypes: true })
      this.#obstacles.set('', new Map())
    } catch (error) {
      if (this.#closed) return []
      this.#obstacles.set('', new Map([[directory, error]]))
      this.#retry = this.#options.clock.after(retryMs, () => this.#look())
      return []
    }
    const { keys, findings } = await keysAmong(entries, directory)
    this.#report.set('names', findings)
    return keys
  }

  #open(name: string): KeyFile {
    const file: KeyFile = {
      bytes: undefined,
      size: 0,
      problem: undefined,
      retry: new LockedRetry(
        this.#options.clock,
        this.#options.identities,
        () => file.follower.readAgain(),
      ),
      follower: new FollowedFile({
        path: join(this.#options.directory, name),
        clock: this.#options.clock,
        ...(this.#started && { firstLookMs: newNameMs }),
        maxBytes: () =>
          (maxDataBytes - this.#sizeWithout(file)) *
          (isAgeName(name) ? ageGrowth : 1),
        decode: bytes => this.#decode(name, bytes),
        onEvent: event => this.#onFile(name, file, event),
        onIdle: () => {
          // An empty file is a key with an empty value, unless it had one: then its writer
          // has two seconds.
          const { bytes, problem } = file
          const isEmpty = file.size === 0 && !bytes && !problem
          if (!this.#started && isEmpty) this.#onEmpty(name, file)
          this.#onRead()
          const isGone = this.#gone.has(name)
          // It has never been a key: nothing changes.
          if (isGone && file.bytes === undefined && file.size === 0)
            this.#letGo(name)
          else this.#rounds.settled(name, file.bytes !== undefined && !isGone)
        },
      }),
    }
    return file
  }

  #onFile(
    name: string,
    file: KeyFile,
    event: FileEvent<Buffer | DecryptionError>,
  ): void {
    const { path } = file.follower
    if (event.kind === 'unreadable' && !this.#started) {
      this.#startFailure ??= unreadable(path, event.error)
      return
    }
    this.#obstacles.set(
      name,
      new Map(event.kind === 'unreadable' ? [[path, event.error]] : []),
    )
    switch (event.kind) {
      case 'content':
        this.#onContent(name, file, event.content)
        break
      case 'large':
        file.bytes = undefined
        file.size = event.size
        break
      case 'empty':
        this.#onEmpty(name, file)
        this.#rounds.settled(name, file.bytes !== undefined)
        break
      case 'gone':
        this.#gone.add(name)
        return
      case 'stable':
        // Not before: it may have been half-written.
        this.#reportProblem(name, file)
        break
      case 'unreadable':
    }
    this.#gone.delete(name)
  }

  async #decode(
    name: string,
    bytes: Buffer,
  ): Promise<Buffer | DecryptionError> {
    if (!isAgeName(name)) return bytes
    try {
      return await decryptAge(bytes, this.#options.identities)
    } catch (error) {
      if (error instanceof DecryptionError) return error
      throw error
    }
  }

  /** What cannot be decrypted leaves the key as it was. */
  #onContent(
    name: string,
    file: KeyFile,
    content: Buffer | DecryptionError,
  ): void {
    const failed = content instanceof DecryptionError
    file.problem = failed ? content : undefined
    file.retry.set(file.problem?.details.keysVersion)
    if (!failed) {
      file.bytes = content
      file.size = content.length
      this.#reportProblem(name, file)
    } else if (!this.#started) {
      const { message, details } = content
      this.#startFailure ??= new SourceError(
        'SOURCE_UNREADABLE',
        file.follower.path,
        message,
        {
          cause: content,
          ...(details.fix !== undefined && { fix: details.fix }),
        },
      )
    }
  }

  #onEmpty(name: string, file: KeyFile): void {
    const content = isAgeName(name) ? emptyAgeFile : Buffer.alloc(0)
    this.#onContent(name, file, content)
    this.#reportProblem(name, file)
  }

  #reportProblem(name: string, { problem, bytes, follower }: KeyFile): void {
    // At the start it is the reason not to start.
    if (!this.#started) return
    const findings: Finding[] = []
    if (problem !== undefined) {
      const { path } = follower
      const { message, details } = problem
      const kept = bytes === undefined ? '' : '; what was read before stays'
      findings.push({
        ...fileFinding('rejected', path, message + kept),
        ...(details.fix !== undefined && { fix: details.fix }),
      })
    }
    this.#report.set(`key ${name}`, findings)
  }

  async #allRead(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onRead = () => {
        if (this.#startFailure !== undefined) reject(this.#startFailure)
        const files = [...this.#files.values()]
        if (files.every(file => file.bytes !== undefined || file.size > 0))
          resolve()
      }
      this.#onRead()
    })
    this.#onRead = () => undefined
  }

  #flush(): void {
    if (!this.#started || this.#closed) return
    // A directory that is away comes back with its files, or with others.
    if (isDirectory(this.#options.directory))
      for (const name of this.#gone) this.#letGo(name)
    this.#gone.clear()
    this.#publish()
  }

  #letGo(name: string): void {
    const file = this.#files.get(name)
    if (file !== undefined) closeFile(file)
    this.#files.delete(name)
    this.#gone.delete(name)
    this.#obstacles.set(name, new Map())
    this.#report.set(`key ${name}`, [])
    // It may have come back while it was still followed.
    if (this.#started) this.#look()
  }

  #publish(): void {
    const { store } = this.#options
    if (this.#sizeWithout(undefined) > maxDataBytes) {
      // What was served stays.
      this.#report.set('size', [this.#tooLarge()])
      return
    }
    const unread = [...this.#files.values()].filter(
      file => file.bytes === undefined && file.size > 0,
    )
    if (unread.length > 0) {
      // There was no room for them when they were looked at.
      for (const { follower } of unread) follower.readAgain()
      return
    }
    this.#report.set('size', [])
    const conflicts = store.replace(this.#origin, [this.#object()])
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

  #sizeWithout(file: KeyFile | undefined): number {
    let size = 0
    for (const each of this.#files.values())
      if (each !== file) size += each.size
    return size
  }

  #tooLarge(): Finding {
    const { directory } = this.#options
    const largest = [...this.#files]
      .sort(([, a], [, b]) => b.size - a.size)
      .slice(0, 3)
      .map(([key, { size }]) => `${key} (${size} bytes)`)
    return {
      ...fileFinding('rejected', directory, `data: ${tooLong(maxDataBytes)}`),
      fix: `move elsewhere what is largest: ${largest.join(', ')}`,
    }
  }

  get #origin(): string {
    const { directory, kind, namespace, name } = this.#options
    return `${directory} ${kind} ${namespace}/${name}`
  }

  #object(): ConfigMap | Secret {
    const files = [...this.#files].flatMap(([name, { bytes }]) =>
      bytes === undefined ? [] : [[name, bytes] as const],
    )
    return objectOfFiles(new Map(files), this.#options)
  }
}

function closeFile({ follower, retry }: KeyFile): void {
  follower.close()
  retry.close()
}
