import { readFile, rename, writeFile } from 'node:fs/promises'
import { exportJWK } from 'jose'
import type { SigningKey } from './signing-key.ts'

/**
 * Writes the public key as an API server's /openid/v1/jwks serves it, so that a program under
 * development can verify the tokens it is given: podfs has no server to ask for it.
 */
export async function publishKeySet(
  key: SigningKey,
  path: string,
): Promise<void> {
  const { kty, n, e } = await exportJWK(key.publicKey)
  const jwk = { use: 'sig', kty, kid: key.kid, alg: key.algorithm, n, e }
  const text = `${JSON.stringify({ keys: [jwk] })}\n`
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text)
  await rename(temporary, path)
}
