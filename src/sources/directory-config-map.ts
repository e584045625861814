import { isUtf8 } from 'node:buffer'
import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FindingList } from '../api/decode/finding-list.ts'
import type { Finding } from '../api/report.ts'
import type { ConfigMap } from '../api/types.ts'
import { validateConfigMap } from '../api/validation/data.ts'
import { validConfigKey } from '../api/validation/names.ts'
import { unreadable, watchLimit } from './errors.ts'
import { FindingsReport } from './findings-report.ts'
import { FollowedFile, look, type FileEvent } from './followed-file.ts'
import { noteWatchPoints } from './manifest-tree.ts'
import { Rounds } from './rounds.ts'
import type { Source, SourceOptions } from './source.ts'
import { WatchSet } from './watch-set.ts'

export interface DirectoryConfigMapOptions extends SourceOptions {
  readonly directory: string
  /** metadata.name of the ConfigMap. */
  readonly name: string
}

interface KeyFile {
  readonly follower: FollowedFile
  /** Undefined until the first read. */
  bytes: Buffer | undefined
}

/** vim, emacs, and what vim makes to see whether it may write here. */
const editorsFiles = /~$|^#.*#$|^\.#|^\..*\.sw.$|^4913$/

/**
 * A plain directory as one ConfigMap, live, by the rules of
 * `kubectl create configmap --from-file=DIR`: its regular files, each name a key; text under
 * `data`, other bytes under `binaryData`. Sub-directories are not looked into.
 *
 * A directory that is itself a published volume works: its names are links through `..data`,
 * and such links are followed. Other links are left out and reported once, as are names that
 * cannot be keys; editors' files are passed over in silence.
 */
export class DirectoryConfigMap implements Source {
  readonly #options: DirectoryConfigMapOptions
  readonly #report: FindingsReport
  readonly #files = new Map<string, KeyFile>()
  readonly #watches: WatchSet
  readonly #rounds: Rounds
  #started = false
  #closed = false
  #onRead: () => void = () => undefined

  constructor(options: DirectoryConfigMapOptions) {
    this.#options = options
    this.#report = new FindingsReport(options.report)
    this.#watches = new WatchSet((directory, name, hint) => {
      if (this.#closed) return
      const file = name === null ? undefined : this.#files.get(name)
      if (file !== undefined) file.follower.hint(hint)
      // `directory` may also be the parent, in which a name means something else.
      if (file === undefined || directory !== this.#real) this.#look(name)
    })
    this.#rounds = new Rounds(options.clock, {
      busy: () => [...this.#files.values()].some(file => file.follower.busy),
      flush: () => this.#publish(),
    })
  }

  #real = ''

  async start(): Promise<void> {
    const { directory, watch } = this.#options
    try {
      if (!(await stat(directory)).isDirectory()) {
        throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' })
      }
      await readdir(directory)
    } catch (error) {
      throw unreadable(directory, error)
    }
    if (watch) await this.#lookAround()
    else await this.#readOnce()
    await this.#allRead()
    this.#started = true
    this.#publish()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#rounds.close()
    this.#watches.close()
    for (const { follower } of this.#files.values()) follower.close()
  }

  #look(name: string | null): void {
    // All links of a published volume change with `..data`, and nothing but it is heard.
    if (name === null || name.startsWith('..')) this.#hintAll()
    void this.#rounds.look(() => this.#lookAround())
  }

  #hintAll(): void {
    for (const { follower } of this.#files.values()) follower.hint('rename')
  }

  async #readOnce(): Promise<void> {
    for (const name of await this.#keys()) {
      const file = this.#open(name)
      file.bytes = await readFile(join(this.#options.directory, name))
      this.#files.set(name, file)
    }
  }

  async #lookAround(): Promise<void> {
    const { directory } = this.#options
    for (let again = true; again && !this.#closed;) {
      const points = new Set<string>()
      await noteWatchPoints(directory, points)
      const real = await realpath(directory).catch(() => undefined)
      if (real !== undefined) points.add(real)
      this.#real = real ?? this.#real
      again = await this.#watch(points)
      if (again) this.#hintAll()
      for (const name of await this.#keys()) {
        if (this.#files.has(name)) continue
        const file = this.#open(name)
        this.#files.set(name, file)
        file.follower.hint('change')
      }
    }
  }

  async #watch(points: ReadonlySet<string>): Promise<boolean> {
    const { directory } = this.#options
    try {
      return await this.#watches.set(points)
    } catch (error) {
      const problem =
        watchLimit(directory, error) ?? unreadable(directory, error)
      if (!this.#started) throw problem
      this.#report.set('watch', [this.#finding('rejected', '', problem.reason)])
      return false
    }
  }

  /** The names that are keys; tells of those that are not. */
  async #keys(): Promise<readonly string[]> {
    const { directory } = this.#options
    const keys: string[] = []
    const findings: Finding[] = []
    const entries = await readdir(directory, { withFileTypes: true }).catch(
      () => undefined,
    )
    // Just being replaced: the names stay as they are.
    if (entries === undefined) return [...this.#files.keys()]
    for (const entry of entries) {
      const { name } = entry
      if (name.startsWith('..') || editorsFiles.test(name)) continue
      if (entry.isSymbolicLink()) {
        const path = join(directory, name)
        const target = await readlink(path).catch(() => '')
        if (!target.startsWith('..data/')) {
          findings.push(
            this.#finding(
              'ignored',
              name,
              'ignored: a symbolic link; only regular files become keys',
            ),
          )
          continue
        }
        if ((await look(path).catch(() => undefined)) === undefined) continue
      } else if (!entry.isFile()) continue
      const [problem] = validConfigKey(name)
      if (problem === undefined) keys.push(name)
      else {
        findings.push(this.#finding('ignored', name, `left out: ${problem}`))
      }
    }
    this.#report.set('names', findings)
    return keys.sort()
  }

  #open(name: string): KeyFile {
    const file: KeyFile = {
      bytes: undefined,
      follower: new FollowedFile({
        path: join(this.#options.directory, name),
        clock: this.#options.clock,
        onEvent: event => this.#onFile(name, file, event),
        onIdle: () => {
          // An empty file is a key with an empty value, unless it had one: then its writer
          // has two seconds.
          if (!this.#started) file.bytes ??= Buffer.alloc(0)
          this.#onRead()
          this.#rounds.settled()
        },
      }),
    }
    return file
  }

  #onFile(name: string, file: KeyFile, event: FileEvent): void {
    switch (event.kind) {
      case 'content':
        file.bytes = event.bytes
        this.#report.set(name, [])
        return
      case 'empty':
        file.bytes = Buffer.alloc(0)
        this.#rounds.settled()
        return
      case 'gone':
        if (this.#files.get(name) === file) this.#files.delete(name)
        file.follower.close()
        this.#report.set(name, [])
        this.#onRead()
        this.#rounds.settled()
        // It may have come back while it was still followed.
        if (this.#started) void this.#rounds.look(() => this.#lookAround())
        return
      case 'unreadable':
        this.#report.set(name, [
          this.#finding('rejected', name, unreadable('', event.error).reason),
        ])
        return
      case 'stable':
    }
  }

  async #allRead(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#onRead = () => {
        const files = [...this.#files.values()]
        if (files.every(file => file.bytes !== undefined)) resolve()
      }
      this.#onRead()
    })
    this.#onRead = () => undefined
  }

  #publish(): void {
    if (!this.#started || this.#closed) return
    const { directory, store } = this.#options
    const configMap = this.#configMap()
    const findings = new FindingList(configMap.source, undefined)
    validateConfigMap(configMap, findings)
    if (findings.rejected) {
      // Too large: what was served stays.
      this.#report.set('data', findings.sorted())
      return
    }
    const conflicts = store.replace(directory, [configMap])
    this.#report.set(
      'data',
      conflicts.map(conflict => conflict.finding),
    )
  }

  #configMap(): ConfigMap {
    const { directory, name, namespace } = this.#options
    const data = new Map<string, string>()
    const binaryData = new Map<string, Uint8Array>()
    for (const [key, { bytes }] of [...this.#files].sort(byKey)) {
      if (bytes === undefined) continue
      if (isUtf8(bytes)) data.set(key, bytes.toString())
      else binaryData.set(key, new Uint8Array(bytes))
    }
    const here = { path: directory, line: 1, column: 1 }
    return {
      kind: 'ConfigMap',
      metadata: {
        name,
        namespace,
        uid: '',
        labels: new Map(),
        annotations: new Map(),
      },
      data,
      binaryData,
      immutable: false,
      source: {
        ...here,
        positionOf: path => {
          const key = /^(?:data|binaryData)\[(.*)\]$/.exec(path)?.[1]
          return key === undefined
            ? here
            : { ...here, path: join(directory, key) }
        },
      },
    }
  }

  #finding(
    treatment: 'rejected' | 'ignored',
    name: string,
    message: string,
  ): Finding {
    const path = join(this.#options.directory, name)
    return { treatment, position: { path, line: 1, column: 1 }, message }
  }
}

function byKey([a]: [string, KeyFile], [b]: [string, KeyFile]): number {
  return a < b ? -1 : 1
}
