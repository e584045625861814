import type { AgeIdentities } from './age-identities.ts'
import { DecryptionError } from './decryption-error.ts'

const ageSuffix = '.age'
const intro = 'age-encryption.org/v1\n'
const armorBegin = '-----BEGIN AGE ENCRYPTED FILE-----'
/** What podfs has keys for. */
const knownStanzas = new Set(['X25519', 'mlkem768x25519'])

/** What to type when a key is missing. */
const keyFix =
  'set SOPS_AGE_KEY_FILE=KEYS.TXT before podfs is started, or ageKeyFile in podfs.yaml'

/** Whether it says of itself that it is an age file, binary or armored. */
export function isAgeFile(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 256)
  return start.startsWith(intro) || start.trimStart().startsWith(armorBegin)
}

/** Whether its name says so. */
export function isAgeName(path: string): boolean {
  return path.endsWith(ageSuffix)
}

/** The name of what is in it. */
export function withoutAgeSuffix(path: string): string {
  return isAgeName(path) ? path.slice(0, -ageSuffix.length) : path
}

/**
 * The plain content of an age file, binary or armored. Throws a DecryptionError; `recipients`
 * is for its words, where somebody knows them: the file itself does not tell.
 */
export async function decryptAge(
  bytes: Buffer,
  identities: AgeIdentities,
  recipients: readonly string[] = [],
): Promise<Buffer> {
  const { armor } = await import('age-encryption')
  const { decrypter, places, version } = await identities.keys()
  let binary
  try {
    const text = bytes.toString('latin1')
    binary = text.startsWith(intro) ? bytes : armor.decode(text.trim())
    return Buffer.from(await decrypter.decrypt(binary))
  } catch (error) {
    if (!isNoMatch(error))
      throw new DecryptionError(
        'DECRYPTION_DAMAGED',
        'incomplete or damaged: it is not what age has written',
        { cause: error },
      )
    const foreign = foreignStanza(binary ?? bytes)
    if (foreign !== undefined)
      throw new DecryptionError('DECRYPTION_KEY_UNSUPPORTED', foreign)
    const whose =
      recipients.length === 0 ? '' : ` for ${recipients.join(' or ')}`
    throw new DecryptionError(
      'DECRYPTION_KEY_MISSING',
      `no age key opens it: it needs one${whose}; looked in ${places}`,
      { cause: error, fix: keyFix, keysVersion: version },
    )
  }
}

/** The library has no codes. */
function isNoMatch(error: unknown): boolean {
  return (
    error instanceof Error && error.message.startsWith('no identity matched')
  )
}

/** Why no age key can ever open it; undefined when one can. */
function foreignStanza(binary: Uint8Array): string | undefined {
  const text = Buffer.from(binary).toString('latin1')
  const header = text.slice(0, text.indexOf('\n---'))
  const kinds = [...header.matchAll(/^-> (\S+)/gm)].map(match => match[1] ?? '')
  if (kinds.some(kind => knownStanzas.has(kind))) return undefined
  if (kinds.includes('scrypt'))
    return 'encrypted with a passphrase, and podfs has nobody to ask for it'
  const ssh = kinds.some(kind => kind.startsWith('ssh-'))
  return `encrypted for ${ssh ? 'an SSH key' : 'a plugin of age'}; podfs has only age's own keys (AGE-SECRET-KEY-1...)`
}
