import { keyOf, type ObjectKey } from '../../api/object-key.ts'
import { isMistake, type Finding } from '../../api/report.ts'
import type { KubeObject } from '../../api/types.ts'
import type { Clock } from '../../util/clock.ts'
import {
  maxFileBytes,
  tooLargeWords,
  type TooLarge,
} from '../../util/read-bounded.ts'
import { LockedRetry } from '../encryption/locked-retry.ts'
import { FollowedFile, type FileEvent } from '../followed-file.ts'
import {
  readMaybeEncrypted,
  type EncryptedManifestOptions,
  type MaybeEncryptedManifest,
} from '../encryption/read-maybe-encrypted.ts'
import { unreadable, unreadableFinding } from '../errors.ts'
import { rejection } from './manifest-reader.ts'

/** What the file tells whoever follows it. */
export interface ManifestFileOptions extends EncryptedManifestOptions {
  readonly path: string
  readonly clock: Clock
  /** All objects that the store shall have from this file. */
  readonly onObjects: (objects: readonly KubeObject[]) => void
  /** All that is to be said of the file's content, and of the file itself. */
  readonly onFindings: (
    about: 'content' | 'file',
    findings: readonly Finding[],
  ) => void
  /** Not readable at the moment; undefined: there is nothing in the way any more. */
  readonly onUnreadable: (error: unknown) => void
  readonly onGone: () => void
  /** The file is there, after all. */
  readonly onBack: () => void
  /** Nothing is being looked at or read at the moment. */
  readonly onIdle: () => void
}

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
export class ManifestFile {
  readonly path: string
  readonly follower: FollowedFile<MaybeEncryptedManifest>
  readonly #retry: LockedRetry
  readonly #options: ManifestFileOptions
  #objects: readonly KubeObject[] = []
  #manifest: MaybeEncryptedManifest | undefined
  #known = false
  /** What is wrong with the content, and with the file. */
  #contentFindings: readonly Finding[] = []
  #fileFinding: Finding | undefined
  /** Why nobody can look for it at the moment. */
  obstacle: Finding | undefined

  constructor(options: ManifestFileOptions) {
    this.#options = options
    this.path = options.path
    this.#retry = new LockedRetry(options.clock, options.identities, () =>
      this.follower.readAgain(),
    )
    this.follower = new FollowedFile({
      path: options.path,
      clock: options.clock,
      maxBytes: () => maxFileBytes,
      decode: bytes => readMaybeEncrypted(bytes, options.path, options),
      onEvent: event => this.#onEvent(event),
      onIdle: () => {
        // Empty: there is nothing more to wait for at the start.
        if (this.#manifest === undefined) this.#known = true
        options.onIdle()
      },
    })
  }

  /** The first read is done, and what is wrong with it is believed. */
  get known(): boolean {
    return this.#known
  }

  /** It has nothing, or has had nothing yet. */
  get isEmpty(): boolean {
    return (
      this.#manifest === undefined || this.#fileFinding?.treatment === 'ignored'
    )
  }

  /** Its objects that are not what it says now, and the mistake why. */
  kept(): ReadonlyMap<ObjectKey, Finding> {
    const ofFile = this.obstacle ?? this.#fileFinding
    const reasons =
      ofFile === undefined ? this.#contentFindings.filter(isMistake) : [ofFile]
    const isRead = ofFile === undefined && this.#manifest?.parsed
    return keptObjects(
      this.#objects,
      isRead ? (this.#manifest?.objects ?? []) : [],
      reasons,
    )
  }

  close(): void {
    this.follower.close()
    this.#retry.close()
  }

  #onEvent(event: FileEvent<MaybeEncryptedManifest>): void {
    const { onUnreadable, onGone, onBack, onIdle } = this.#options
    if (event.kind === 'unreadable')
      this.#fileFinding = unreadableFinding(unreadable(this.path, event.error))
    onUnreadable(event.kind === 'unreadable' ? event.error : undefined)
    switch (event.kind) {
      case 'content':
        this.#tellFile(undefined)
        onBack()
        this.#onContent(event.content)
        return
      case 'large':
        this.#known = true
        onBack()
        this.#tellFile(tooLarge(this.path, event))
        return
      case 'stable':
        this.#known = true
        this.#onStable()
        onIdle()
        return
      case 'empty':
        this.#tellFile(this.#emptyFinding())
        return
      case 'gone':
        this.#known = true
        this.#tellFile(undefined)
        onGone()
        return
      case 'unreadable':
        this.#known = true
        onBack()
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
    this.#options.onObjects(objects)
  }

  #tellFile(finding: Finding | undefined): void {
    this.#fileFinding = finding
    this.#options.onFindings('file', finding === undefined ? [] : [finding])
  }

  #tellContent(findings: readonly Finding[]): void {
    this.#contentFindings = findings
    this.#options.onFindings('content', findings)
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
