/**
 * Whether a service account token is one of ours and still good
 * (kubernetes pkg/serviceaccount/jwt.go and claims.go). What it is bound to, and whether that
 * is still there, the caller knows.
 */
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { goQuote } from '../api/go-quote.ts'
import type { SigningKey } from './signing-key.ts'

export interface ObjectIdentity {
  readonly name: string
  readonly uid: string
}

/** The claim `kubernetes.io`. */
interface KubernetesClaim {
  readonly namespace: string
  readonly serviceaccount: ObjectIdentity
  readonly pod?: ObjectIdentity
  readonly secret?: ObjectIdentity
  readonly node?: ObjectIdentity
}

interface Claims {
  readonly aud: readonly string[]
  readonly exp: number
  readonly iat: number
  readonly nbf: number
  readonly iss: string
  readonly jti: string
  readonly 'kubernetes.io': KubernetesClaim
}

export interface VerifiedToken {
  /** `jti`. */
  readonly id: string
  /** Those of the wanted audiences that the token is for. */
  readonly audiences: readonly string[]
  readonly bound: KubernetesClaim
}

/** Why a token is refused, in the API server's words; they never quote the token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
}

/** Clocks that differ: go-jose's jwt.DefaultLeeway. */
export const leewaySeconds = 60

export interface TokenVerification {
  readonly key: SigningKey
  readonly issuer: string
  /** The token must be for one of them. */
  readonly audiences: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Undefined: no token of this issuer. Throws TokenRefused for one that is not good. */
export async function verifyToken(
  token: string,
  { key, issuer, audiences: wanted, now }: TokenVerification,
): Promise<VerifiedToken | undefined> {
  const found = unverified(token)
  if (found?.issuer !== issuer) return undefined
  if (found.kid !== undefined && found.kid !== key.kid)
    throw new TokenRefused('invalid signature, no keys found')
  const claims = await signedClaims(token, key)
  const audiences = wanted.filter(audience => claims.aud.includes(audience))
  if (audiences.length === 0)
    throw new TokenRefused(
      `token audiences ${list(claims.aud)} is invalid for the target audiences ${list(wanted)}`,
    )
  const seconds = now / 1000
  if (seconds + leewaySeconds < claims.nbf)
    throw new TokenRefused('service account token is not valid yet')
  if (seconds - leewaySeconds > claims.exp)
    throw new TokenRefused('service account token has expired')
  if (seconds + leewaySeconds < claims.iat)
    throw new TokenRefused('service account token is issued in the future')
  return { id: claims.jti, audiences, bound: claims['kubernetes.io'] }
}

/** Its three parts, base64url without padding (RFC 7515, 2). jose reads more than that. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/

function unverified(token: string) {
  if (!compact.test(token)) return undefined
  try {
    const { iss: issuer } = decodeJwt(token)
    return { issuer, kid: decodeProtectedHeader(token).kid }
  } catch {
    return undefined
  }
}

/** What only the holder of the key can have written is as TokenIssuer writes it. */
async function signedClaims(token: string, key: SigningKey): Promise<Claims> {
  try {
    const { payload } = await compactVerify(token, key.publicKey, {
      algorithms: [key.algorithm],
    })
    return JSON.parse(new TextDecoder().decode(payload)) as Claims
  } catch (cause) {
    throw new TokenRefused(
      'go-jose/go-jose: error in cryptographic primitive',
      { cause },
    )
  }
}

/** Go's %q of a list. */
function list(audiences: readonly string[]): string {
  return `[${audiences.map(goQuote).join(' ')}]`
}
