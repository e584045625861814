import type { DecodeOptions } from '../../api/decode/decode-object.ts'
import type { Position } from '../../api/types.ts'
import {
  broken,
  decodeManifest,
  notUtf8,
  parseManifest,
  rejection,
  unexpected,
  type Manifest,
} from '../manifests/manifest-reader.ts'
import { inTurns } from '../../util/in-turns.ts'
import { textOf } from '../manifests/manifest-text.ts'
import { decryptAge, isAgeFile, isAgeName } from './age-file.ts'
import type { AgeIdentities } from './age-identities.ts'
import { DecryptionError } from './decryption-error.ts'
import { decryptDocuments } from './sops-documents.ts'
import { hideValues } from './hide-values.ts'

export interface EncryptedManifestOptions extends DecodeOptions {
  readonly identities: AgeIdentities
}

export interface MaybeEncryptedManifest extends Manifest {
  /** The version of the keys that did not open it; with others it may be readable. */
  readonly locked?: string | undefined
}

/**
 * Reads a manifest file that age or sops may have encrypted, as a whole or in parts. Positions
 * are those of the file; of an age file, those of what is in it. Nothing is thrown, and nothing
 * of the plain content goes anywhere but into the result.
 */
export async function readMaybeEncrypted(
  content: Buffer,
  path: string,
  options: EncryptedManifestOptions,
): Promise<MaybeEncryptedManifest> {
  const start = { path, line: 1, column: 1 }
  let toPosition: (offset: number) => Position = () => start
  try {
    const plain =
      isAgeFile(content) || isAgeName(path)
        ? await decryptAge(content, options.identities)
        : content
    const text = textOf(plain)
    if (text === undefined) return broken([notUtf8(plain, path)])
    const parsed = await inTurns(parseManifest(text, path))
    if (!('documents' in parsed)) return parsed
    const decode = () => inTurns(decodeManifest(parsed, options))
    // Every file of sops has at least a mac that begins so.
    if (!text.includes('ENC[AES256_GCM,')) return await decode()
    toPosition = parsed.toPosition
    const values = await decryptDocuments(parsed.documents, options.identities)
    return hideValues(await decode(), values)
  } catch (error) {
    if (!(error instanceof DecryptionError)) return unexpected(error, path)
    const { offset, fix, fieldPath, keysVersion } = error.details
    const position = offset === undefined ? start : toPosition(offset)
    const finding = rejection(position, error.message, fix)
    return {
      ...broken([
        fieldPath === undefined ? finding : { ...finding, fieldPath },
      ]),
      locked: keysVersion,
    }
  }
}

/** Reads the content of this file. */
export function decoderOf(
  path: string,
  options: EncryptedManifestOptions,
): (content: Buffer) => Promise<MaybeEncryptedManifest> {
  return content => readMaybeEncrypted(content, path, options)
}
