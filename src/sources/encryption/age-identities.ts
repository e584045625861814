import { stat } from 'node:fs/promises'
import type { Decrypter } from 'age-encryption'
import {
  maxSmallFileBytes,
  readBounded,
  tooLargeWords,
} from '../../util/read-bounded.ts'
import { unreadable } from '../errors.ts'

/** A place where age keys may be: a variable's text, or a file. */
export type IdentityPlace =
  { readonly name: string; readonly text: string } | { readonly file: string }

/** What there is to decrypt with. */
export interface Keys {
  readonly decrypter: Decrypter
  /** Where podfs looked and what it found there, for a message; never a key. */
  readonly places: string
  readonly version: string
}

/**
 * The age keys (`AGE-SECRET-KEY-1...`) of all places together, as sops takes them. Library and
 * files are loaded when something encrypted is met, and not before; that a place has no key,
 * or a broken one, matters only when a file cannot be decrypted.
 */
export class AgeIdentities {
  readonly #places: readonly IdentityPlace[]
  #loaded:
    { readonly version: string; readonly keys: Promise<Keys> } | undefined

  constructor(places: readonly IdentityPlace[]) {
    this.#places = places
  }

  /** Read again when a file has changed. */
  async keys(): Promise<Keys> {
    const version = await this.version()
    if (this.#loaded?.version !== version)
      this.#loaded = { version, keys: this.#load(version) }
    return await this.#loaded.keys
  }

  /** Equal as long as no key file has changed, come or gone. */
  async version(): Promise<string> {
    const looks = this.#places.map(async place => {
      if ('text' in place) return ''
      const look = await stat(place.file, { bigint: true }).catch(() => null)
      if (look === null) return 'none'
      return [look.dev, look.ino, look.size, look.mtimeNs, look.ctimeNs].join()
    })
    return (await Promise.all(looks)).join(';')
  }

  async #load(version: string): Promise<Keys> {
    const { Decrypter } = await import('age-encryption')
    const decrypter = new Decrypter()
    const places: string[] = []
    for (const place of this.#places) {
      if ('text' in place) {
        places.push(`${place.name} (${addKeys(place.text, decrypter)})`)
        continue
      }
      const { file } = place
      try {
        const content = await readBounded(file, maxSmallFileBytes)
        const found = Buffer.isBuffer(content)
          ? addKeys(content.toString(), decrypter)
          : tooLargeWords(content, maxSmallFileBytes)
        places.push(`${file} (${found})`)
      } catch (error) {
        places.push(`${file} (${unreadable(file, error).reason})`)
      }
    }
    return { decrypter, places: places.join(', ') || 'no place', version }
  }
}

/** Adds the keys of an identity file, and says in words how many there are. */
function addKeys(text: string, decrypter: Decrypter): string {
  const words = text
    .split('\n')
    .filter(line => !line.startsWith('#'))
    .join('\n')
    .match(/\S+/g)
  let keys = 0
  let others = 0
  for (const word of words ?? []) {
    try {
      decrypter.addIdentity(word)
      keys += 1
    } catch {
      // A plugin's, an SSH key, half a key: the library's words may quote it.
      others += 1
    }
  }
  const counted = keys === 1 ? '1 key' : `${keys || 'no'} keys`
  return others === 0 ? counted : `${counted}, and something that is no age key`
}
