/**
 * The key that signs service account tokens: made once, kept in a file, as an API server's
 * --service-account-signing-key-file. RS256, like kubeadm's. Making it takes a tenth of a
 * second and more, so nobody should load it before a volume asks for a token.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomUUID,
  type KeyObject,
} from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { TokenError } from './errors.ts'
import { hasCode } from '../util/error-code.ts'

export interface SigningKey {
  readonly algorithm: 'RS256'
  /** In the header of each token, so that a verifier finds the key. */
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const MODULUS_LENGTH = 2048

/**
 * The key in the file, which is made, with its directory, if it is not there. First starts
 * at the same moment get the same key. Throws a TokenError for a file that holds no RSA key:
 * making a new one in its place would make every token that is in use worthless.
 */
export async function loadSigningKey(path: string): Promise<SigningKey> {
  const existing = await readKeyFile(path)
  if (existing !== undefined) return parseKey(path, existing)

  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: MODULUS_LENGTH,
  })
  await publishKeyFile(
    path,
    privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  )
  // Read back rather than kept: another process may have been first.
  const published = await readKeyFile(path)
  if (published === undefined)
    throw new TokenError(
      'TOKEN_KEY_UNUSABLE',
      path,
      `the signing key ${path} was removed while it was made`,
    )
  return parseKey(path, published)
}

/** The file appears whole or not at all, and the first of several writers wins. */
async function publishKeyFile(path: string, pem: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(pem)
      await file.sync()
    } finally {
      await file.close()
    }
    // Unlike rename, link refuses to replace.
    await link(temporary, path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error
    })
  } catch (cause) {
    throw new TokenError(
      'TOKEN_KEY_UNUSABLE',
      path,
      `cannot make the signing key ${path}: ${(cause as Error).message}`,
      { cause },
    )
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

async function readKeyFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw new TokenError(
      'TOKEN_KEY_UNUSABLE',
      path,
      `cannot read the signing key ${path}: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function parseKey(path: string, pem: string): SigningKey {
  const broken = (reason: string, options?: ErrorOptions) =>
    new TokenError(
      'TOKEN_KEY_BROKEN',
      path,
      `the signing key ${path} is ${reason}; remove the file to have a new key made`,
      options,
    )
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(pem)
  } catch (cause) {
    // The cause's message says what is wrong with the encoding and quotes no key material.
    throw broken('no private key in PEM form', { cause })
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = privateKey
  if (asymmetricKeyType !== 'rsa')
    throw broken(`of type ${asymmetricKeyType}, not RSA`)
  if ((asymmetricKeyDetails?.modulusLength ?? 0) < MODULUS_LENGTH)
    throw broken(`shorter than ${MODULUS_LENGTH} bits`)
  const publicKey = createPublicKey(privateKey)
  return { algorithm: 'RS256', kid: keyId(publicKey), privateKey, publicKey }
}

/** Source: kubernetes pkg/serviceaccount/jwt.go, keyIDFromPublicKey. */
function keyId(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('base64url')
}
