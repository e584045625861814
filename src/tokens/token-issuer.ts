/**
 * Service account tokens as the API server's TokenRequest gives them to a kubelet
 * (kubernetes pkg/serviceaccount/claims.go and
 * pkg/registry/core/serviceaccount/storage/token.go; specification 3.7).
 */
import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { nameBasedUuid } from '../util/name-based-uuid.ts'
import type { SigningKey } from './signing-key.ts'

interface ObjectIdentity {
  readonly name: string
  readonly uid: string
}

/** A TokenRequest that is bound to a Pod. */
export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: ObjectIdentity
  readonly pod: ObjectIdentity
  readonly node?: ObjectIdentity
  /** Empty: the issuer's own. */
  readonly audiences: readonly string[]
  readonly expirationSeconds: number
}

export interface IssuedToken {
  readonly token: string
  /** status.expirationTimestamp, in milliseconds since 1970; whole seconds. */
  readonly expiresAt: number
}

/**
 * What a client before bound tokens is given: the automounted volume asks for it. Its token
 * lives for a year in truth, so that a program that never reads the file again goes on
 * working, while the kubelet is told 3607 s and renews it as any other.
 */
const EXTENDED_REQUEST_SECONDS = 3607
const EXTENDED_LIFETIME_SECONDS = 365 * 24 * 60 * 60

export class TokenIssuer {
  readonly #key: SigningKey
  readonly #issuer: string

  constructor(key: SigningKey, issuer: string) {
    this.#key = key
    this.#issuer = issuer
  }

  /** Signs a token that is valid from `now` (milliseconds since 1970). */
  async issue(request: TokenRequest, now: number): Promise<IssuedToken> {
    const { namespace, serviceAccount, pod, node, expirationSeconds } = request
    // The API server's audiences default to its issuer.
    const audiences =
      request.audiences.length === 0 ? [this.#issuer] : request.audiences
    const issuedAt = Math.floor(now / 1000)
    const expiresAt = issuedAt + expirationSeconds
    const extended =
      expirationSeconds === EXTENDED_REQUEST_SECONDS &&
      audiences.every(audience => audience === this.#issuer)

    // In the order in which Go's encoder writes them.
    const token = await new SignJWT({
      aud: [...audiences],
      exp: extended ? issuedAt + EXTENDED_LIFETIME_SECONDS : expiresAt,
      iat: issuedAt,
      iss: this.#issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace,
        ...(node === undefined ? {} : { node: identity(node) }),
        pod: identity(pod),
        serviceaccount: identity(serviceAccount),
        ...(extended ? { warnafter: expiresAt } : {}),
      },
      nbf: issuedAt,
      sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    })
      .setProtectedHeader({ alg: this.#key.algorithm, kid: this.#key.kid })
      .sign(this.#key.privateKey)
    return { token, expiresAt: expiresAt * 1000 }
  }
}

/**
 * The uid of a service account that nobody has made: podfs has no ServiceAccount objects.
 * Always the same for a namespace and a name, in the form of a name-based UUID.
 */
export function serviceAccountUid(namespace: string, name: string): string {
  return nameBasedUuid(`serviceaccount ${namespace}/${name}`)
}

/** Only what belongs into a token, whatever else the object holds. */
function identity({ name, uid }: ObjectIdentity): ObjectIdentity {
  return { name, uid }
}
