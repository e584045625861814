import { readFile, rename, writeFile } from 'node:fs/promises'
import type { SigningKey } from './signing-key.ts'

/** RFC 7517, as an API server's /openid/v1/jwks serves it. */
export interface KeySet {
  readonly keys: readonly Readonly<Record<string, string>>[]
}

export function keySet(key: SigningKey): KeySet {
  const { kty = '', n = '', e = '' } = key.publicKey.export({ format: 'jwk' })
  return { keys: [{ use: 'sig', kty, kid: key.kid, alg: key.algorithm, n, e }] }
}

/**
 * Writes the public key into a file, so that a program under development can verify the tokens
 * it is given without asking a podfs.
 */
export async function publishKeySet(
  key: SigningKey,
  path: string,
): Promise<void> {
  const text = `${JSON.stringify(keySet(key))}\n`
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text)
  await rename(temporary, path)
}
