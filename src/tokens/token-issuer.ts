/**
 * Service account tokens as the API server's TokenRequest gives them to a kubelet
 * (kubernetes pkg/serviceaccount/claims.go and
 * pkg/registry/core/serviceaccount/storage/token.go; docs/kubernetes.md#tokens).
 */
import { randomUUID, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { keySet, type KeySet } from './key-set.ts'
import type { SigningKey } from './signing-key.ts'
import type { ObjectIdentity, VerifiedToken } from './token-verifier.ts'

export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: ObjectIdentity
  /** What the token is bound to: it ends with that. At most one of Pod and Secret. */
  readonly pod?: ObjectIdentity
  readonly secret?: ObjectIdentity
  /** With a Pod, where that runs; alone, what the token is bound to. */
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
  /** `iss` of every token, and the audience of those that ask for none. */
  readonly issuer: string
  readonly #key: SigningKey

  constructor(key: SigningKey, issuer: string) {
    this.#key = key
    this.issuer = issuer
  }

  /** With which anybody can verify a token. */
  keySet(): KeySet {
    return keySet(this.#key)
  }

  /**
   * Whether a token is one of this issuer's and good at `now` (milliseconds since 1970) for
   * one of the audiences; none: the issuer itself. See verifyToken.
   */
  async verify(
    token: string,
    audiences: readonly string[],
    now: number,
  ): Promise<VerifiedToken | undefined> {
    const { verifyToken } = await import('./token-verifier.ts')
    return await verifyToken(token, {
      key: this.#key,
      issuer: this.issuer,
      audiences: audiences.length === 0 ? [this.issuer] : audiences,
      now,
    })
  }

  /** Signs a token that is valid from `now` (milliseconds since 1970). */
  async issue(request: TokenRequest, now: number): Promise<IssuedToken> {
    const { namespace, serviceAccount, pod, secret, node, expirationSeconds } =
      request
    // The API server's audiences default to its issuer.
    const audiences =
      request.audiences.length === 0 ? [this.issuer] : request.audiences
    const issuedAt = Math.floor(now / 1000)
    const expiresAt = issuedAt + expirationSeconds
    const extended =
      pod !== undefined &&
      expirationSeconds === EXTENDED_REQUEST_SECONDS &&
      audiences.every(audience => audience === this.issuer)

    // In the order in which Go's encoder writes them.
    const token = await this.#sign({
      aud: [...audiences],
      exp: extended ? issuedAt + EXTENDED_LIFETIME_SECONDS : expiresAt,
      iat: issuedAt,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace,
        ...(node === undefined ? {} : { node: identity(node) }),
        ...(pod === undefined ? {} : { pod: identity(pod) }),
        ...(secret === undefined ? {} : { secret: identity(secret) }),
        serviceaccount: identity(serviceAccount),
        ...(extended ? { warnafter: expiresAt } : {}),
      },
      nbf: issuedAt,
      sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    })
    return { token, expiresAt: expiresAt * 1000 }
  }

  /**
   * RFC 7515, 7.1. Not with jose, which brings Web Crypto: that takes longer to load than all
   * other tokens' code, and every start of a Pod waits for its token.
   */
  async #sign(claims: object): Promise<string> {
    const { algorithm, kid, privateKey } = this.#key
    const header = { alg: algorithm, kid }
    const input = `${encoded(header)}.${encoded(claims)}`
    const signature = await promisify(sign)(
      'sha256',
      Buffer.from(input),
      privateKey,
    )
    return `${input}.${signature.toString('base64url')}`
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Only what belongs into a token, whatever else the object holds. */
function identity({ name, uid }: ObjectIdentity): ObjectIdentity {
  return { name, uid }
}
