import { keyOf, type ObjectKey } from '../../api/object-key.ts'
import { isMistake, type Finding } from '../../api/report.ts'
import type { KubeObject } from '../../api/types.ts'
import {
  maxFileBytes,
  tooLargeWords,
  type TooLarge,
} from '../../util/read-bounded.ts'
import { LockedRetry } from '../encryption/locked-retry.ts'
import {
  decoderOf,
  type EncryptedManifestOptions,
  type MaybeEncryptedManifest,
} from '../encryption/read-maybe-encrypted.ts'
import { unreadable, unreadableFinding } from '../errors.ts'
import { FollowedFile, type FileEvent } from '../followed-file.ts'
import type { LiveFiles } from '../live-files.ts'
import type { SourceOptions } from '../source.ts'
import type { LiveFile } from '../watch-set.ts'
import { rejection } from './manifest-reader.ts'

/**
 * One manifest file, and what of it is believed when.
 *
 * What can be read is served at once; what is missing or wrong is believed when the file has
 * been quiet for 250 ms, because its writer may not have finished:
 * - New and changed objects go to the store as soon as they are read.
 * - An object that is no longer in its file is removed when the file is quiet and has no
 *   mistakes (with one, nobody knows which object it was to be).
 * - A file that is not YAML, or empty, changes nothing in the store.
 */
export class ManifestFile implements LiveFile {
  readonly path: string
  names: readonly string[] = []
  readonly follower: FollowedFile<MaybeEncryptedManifest>
  readonly #live: LiveFiles<ManifestFile>
  readonly #store: SourceOptions['store']
  readonly #retry: LockedRetry
  #objects: readonly KubeObject[] = []
  /** The store does not have them yet. */
  #isNews = false
  #manifest: MaybeEncryptedManifest | undefined
  #known = false
  /** What is wrong with the content, and with the file. */
  #contentFindings: readonly Finding[] = []
  #fileFinding: Finding | undefined
  /** Why nobody can look for it at the moment. */
  #obstacle: Finding | undefined

  constructor(
    path: string,
    options: EncryptedManifestOptions & Pick<SourceOptions, 'clock' | 'store'>,
    live: LiveFiles<ManifestFile>,
  ) {
    const { clock, store, identities } = options
    this.path = path
    this.#live = live
    this.#store = store
    this.#retry = new LockedRetry(clock, identities, () =>
      this.follower.readAgain(),
    )
    this.follower = new FollowedFile({
      path,
      clock,
      maxBytes: () => maxFileBytes,
      decode: decoderOf(path, options),
      onEvent: event => this.#onEvent(event),
      onIdle: () => live.settled(this),
    })
  }

  /** The first read is done, and what is wrong with it is believed. */
  get wasRead(): boolean {
    // Empty: there is nothing more to wait for at the start.
    return (
      this.#known || (this.#manifest === undefined && this.follower.isLookedAt)
    )
  }

  /** It has nothing, or has had nothing yet. */
  get isEmpty(): boolean {
    return (
      this.#manifest === undefined || this.#fileFinding?.treatment === 'ignored'
    )
  }

  /** All objects that the store shall have from this file, where these are others than before. */
  takeNews(): readonly KubeObject[] | undefined {
    if (!this.#isNews) return undefined
    this.#isNews = false
    return this.#objects
  }

  /** `finding`: why nobody can look for it at the moment. */
  setObstacle(finding: Finding | undefined): void {
    if (finding?.message === this.#obstacle?.message) return
    this.#obstacle = finding
    this.#keep()
  }

  close(): void {
    this.follower.close()
    this.#retry.close()
  }

  #onEvent(event: FileEvent<MaybeEncryptedManifest>): void {
    const { path } = this
    if (event.kind === 'unreadable')
      this.#fileFinding = unreadableFinding(unreadable(path, event.error))
    this.#live.obstacles.set(
      path,
      new Map(event.kind === 'unreadable' ? [[path, event.error]] : []),
    )
    this.#keep()
    switch (event.kind) {
      case 'content':
        this.#tellFile(undefined)
        this.#live.gone.delete(path)
        this.#onContent(event.content)
        return
      case 'large':
        this.#known = true
        this.#live.gone.delete(path)
        this.#tellFile(tooLarge(path, event))
        return
      case 'stable':
        this.#known = true
        this.#onStable()
        this.#live.settled(this)
        return
      case 'empty':
        this.#tellFile(this.#emptyFinding())
        return
      case 'gone':
        this.#known = true
        this.#tellFile(undefined)
        this.#live.gone.add(path)
        return
      case 'unreadable':
        this.#known = true
        this.#live.gone.delete(path)
    }
  }

  #onContent(manifest: MaybeEncryptedManifest): void {
    this.#manifest = manifest
    const { objects, findings, parsed, locked } = manifest
    this.#retry.set(locked)
    if (!parsed) return
    const all = withMissing(objects, this.#objects)
    if (!hasMistakes(findings)) {
      this.#tellContent(findings)
      if (all.length === objects.length) this.#known = true
    }
    this.#set(all)
  }

  #onStable(): void {
    if (this.#manifest === undefined) return
    const { objects, findings, parsed } = this.#manifest
    this.#tellContent(findings)
    if (!parsed) return
    this.#set(
      hasMistakes(findings) ? withMissing(objects, this.#objects) : objects,
    )
  }

  #set(objects: readonly KubeObject[]): void {
    this.#objects = objects
    this.#isNews = true
  }

  #tellFile(finding: Finding | undefined): void {
    this.#fileFinding = finding
    this.#live.report.set(
      `${this.path} file`,
      finding === undefined ? [] : [finding],
    )
    this.#keep()
  }

  #tellContent(findings: readonly Finding[]): void {
    this.#contentFindings = findings
    this.#live.report.set(this.path, findings)
    this.#keep()
  }

  /** Tells of its objects that are not what it says now, and the mistake why. */
  #keep(): void {
    const ofFile = this.#obstacle ?? this.#fileFinding
    const reasons =
      ofFile === undefined ? this.#contentFindings.filter(isMistake) : [ofFile]
    const isRead = ofFile === undefined && this.#manifest?.parsed
    this.#store.keep(
      this.path,
      keptObjects(
        this.#objects,
        isRead ? (this.#manifest?.objects ?? []) : [],
        reasons,
      ),
    )
  }

  #emptyFinding(): Finding {
    return {
      treatment: 'ignored',
      position: { path: this.path, line: 1, column: 1 },
      message:
        this.#objects.length === 0
          ? 'the file is empty'
          : 'the file is empty; the objects it had are kept until it is removed',
    }
  }
}

/** Of a file, or of what came through a pipe, that is larger than any manifest. */
export function tooLarge(path: string, content: TooLarge): Finding {
  const position = { path, line: 1, column: 1 }
  return rejection(position, tooLargeWords(content, maxFileBytes))
}

export function hasMistakes(findings: readonly Finding[]): boolean {
  return findings.some(isMistake)
}

function isOf({ object }: Finding, { kind, metadata }: KubeObject): boolean {
  return (
    object?.kind === kind &&
    object.namespace === metadata.namespace &&
    object.name === metadata.name
  )
}

/** Of the objects those that were not read now, each with the mistake why, or the first one. */
export function keptObjects(
  objects: readonly KubeObject[],
  readNow: readonly KubeObject[],
  reasons: readonly Finding[],
): ReadonlyMap<ObjectKey, Finding> {
  const [first] = reasons
  if (first === undefined) return new Map()
  const read = new Set(readNow.map(keyOf))
  return new Map(
    objects.flatMap(object => {
      const key = keyOf(object)
      const own = reasons.find(reason => isOf(reason, object))
      return read.has(key) ? [] : [[key, own ?? first]]
    }),
  )
}

/** What the file had and does not have, after what it has. */
export function withMissing(
  objects: readonly KubeObject[],
  before: readonly KubeObject[],
): readonly KubeObject[] {
  const keys = new Set(objects.map(keyOf))
  return [...objects, ...before.filter(object => !keys.has(keyOf(object)))]
}
