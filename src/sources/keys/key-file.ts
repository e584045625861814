import { basename } from 'node:path'
import type { Finding } from '../../api/report.ts'
import { maxDataBytes } from '../../api/validation/data.ts'
import { decryptAge, isAgeName } from '../encryption/age-file.ts'
import type { AgeIdentities } from '../encryption/age-identities.ts'
import { DecryptionError } from '../encryption/decryption-error.ts'
import { LockedRetry } from '../encryption/locked-retry.ts'
import { SourceError, unreadable } from '../errors.ts'
import { FollowedFile, type FileEvent } from '../followed-file.ts'
import type { LiveFiles } from '../live-files.ts'
import type { SourceOptions } from '../source.ts'
import type { LiveFile } from '../watch-set.ts'
import { fileFinding } from './directory-keys.ts'

/** An armored age file is so much larger, at most, than what is in it. */
const ageGrowth = 1.5
const emptyAgeFile = new DecryptionError(
  'DECRYPTION_DAMAGED',
  'empty: it is not what age has written',
)

/** A new name must last so long: it may be the file that an editor renames over another. */
const newNameMs = 100

/** A file of a plain directory, and the value of its key. */
export class KeyFile implements LiveFile {
  readonly path: string
  readonly name: string
  names: readonly string[] = []
  readonly follower: FollowedFile<Buffer | DecryptionError>
  /** Undefined until the first read, and while the file is too large to be one. */
  bytes: Buffer | undefined
  /** Bytes, also of what is too large. */
  size = 0
  /** Why podfs cannot start with it. */
  startFailure: SourceError | undefined
  readonly #live: LiveFiles<KeyFile>
  readonly #retry: LockedRetry
  /** Why the last content could not be decrypted. */
  #problem: DecryptionError | undefined

  constructor(
    path: string,
    { clock, identities }: Pick<SourceOptions, 'clock' | 'identities'>,
    live: LiveFiles<KeyFile>,
  ) {
    this.path = path
    this.name = basename(path)
    this.#live = live
    this.#retry = new LockedRetry(clock, identities, () =>
      this.follower.readAgain(),
    )
    const isAge = isAgeName(this.name)
    this.follower = new FollowedFile({
      path,
      clock,
      ...(live.isStarted && { firstLookMs: newNameMs }),
      maxBytes: () => {
        const others = live.all.filter(each => each !== this)
        return (maxDataBytes - sizeOf(others)) * (isAge ? ageGrowth : 1)
      },
      decode: async bytes => (isAge ? await decrypt(bytes, identities) : bytes),
      onEvent: event => this.#onEvent(event),
      onIdle: () => live.settled(this),
    })
  }

  get wasRead(): boolean {
    return this.bytes !== undefined
  }

  /** It has never been a key. */
  get isNothing(): boolean {
    return this.bytes === undefined && this.size === 0
  }

  #onEvent(event: FileEvent<Buffer | DecryptionError>): void {
    const live = this.#live
    if (event.kind === 'unreadable' && !live.isStarted) {
      this.startFailure ??= unreadable(this.path, event.error)
      return
    }
    live.obstacles.set(
      this.name,
      new Map(event.kind === 'unreadable' ? [[this.path, event.error]] : []),
    )
    if (event.kind === 'gone') {
      live.gone.add(this.path)
      return
    }
    live.gone.delete(this.path)
    switch (event.kind) {
      case 'content':
        this.#onContent(event.content)
        break
      case 'large':
        this.bytes = undefined
        this.size = event.size
        break
      case 'empty':
        this.takeEmpty()
        live.settled(this)
        break
      case 'stable':
        // Not before: it may have been half-written.
        this.#tell()
        break
      case 'unreadable':
    }
  }

  /**
   * An empty file is a key with an empty value, unless it had one: then its writer has two
   * seconds.
   */
  takeEmpty(): void {
    this.#onContent(isAgeName(this.name) ? emptyAgeFile : Buffer.alloc(0))
    this.#tell()
  }

  close(): void {
    this.follower.close()
    this.#retry.close()
  }

  /** What cannot be decrypted leaves the key as it was. */
  #onContent(content: Buffer | DecryptionError): void {
    const failed = content instanceof DecryptionError
    this.#problem = failed ? content : undefined
    this.#retry.set(this.#problem?.details.keysVersion)
    if (!failed) {
      this.bytes = content
      this.size = content.length
      this.#tell()
    } else if (!this.#live.isStarted) {
      const { message, details } = content
      this.startFailure ??= new SourceError(
        'SOURCE_UNREADABLE',
        this.path,
        message,
        {
          cause: content,
          ...(details.fix !== undefined && { fix: details.fix }),
        },
      )
    }
  }

  #tell(): void {
    // At the start it is the reason not to start.
    if (!this.#live.isStarted) return
    const findings: Finding[] = []
    if (this.#problem !== undefined) {
      const { message, details } = this.#problem
      const kept = this.wasRead ? '; what was read before stays' : ''
      findings.push({
        ...fileFinding('rejected', this.path, message + kept),
        ...(details.fix !== undefined && { fix: details.fix }),
      })
    }
    this.#live.report.set(`key ${this.name}`, findings)
  }
}

export function sizeOf(files: readonly KeyFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}

async function decrypt(
  bytes: Buffer,
  identities: AgeIdentities,
): Promise<Buffer | DecryptionError> {
  try {
    return await decryptAge(bytes, identities)
  } catch (error) {
    if (error instanceof DecryptionError) return error
    throw error
  }
}
