/**
 * Keeps the tokens of projected volumes fresh (kubernetes pkg/kubelet/token/token_manager.go;
 * docs/kubernetes.md#tokens).
 *
 * The kubelet asks at each sync of a Pod, every 60 to 90 s. podfs has no such sync: it asks
 * when it looks at a volume, and is told when it must look again (`nextRefresh`).
 */
import type { Pod, ServiceAccountTokenProjection } from '../api/types.ts'
import { serviceAccountUid } from '../api/service-account-uid.ts'
import type { Clock } from '../util/clock.ts'
import type { IssuedToken, TokenIssuer, TokenRequest } from './token-issuer.ts'

/** A token is renewed once a day even if it lives longer. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000
const MAX_JITTER_SECONDS = 10
/** When issuing failed; the kubelet tries again at the Pod's next sync. */
const RETRY_MS = 10_000

/** One that is bound to a Pod. */
type PodTokenRequest = TokenRequest & Required<Pick<TokenRequest, 'pod'>>

export interface TokenManagerOptions {
  /** Uniform in [0, 1). */
  readonly random?: () => number
  /** Told of each failure to renew a token, also while the old one is still served. */
  readonly onFailure?: (error: Error, request: PodTokenRequest) => void
}

export interface VolumeTokensRequest {
  readonly pod: Pod
  readonly node: { readonly name: string; readonly uid: string }
  readonly sources: readonly ServiceAccountTokenProjection[]
}

/** The tokens of one volume at one moment. */
export interface VolumeTokens {
  /** The token, or why there is none. */
  readonly of: (source: ServiceAccountTokenProjection) => string | Error
  /**
   * When to ask again, in milliseconds since 1970; undefined for a volume without tokens.
   * At that time at least one token is renewed, whatever the jitter, so a timer set to it
   * never fires in vain.
   */
  readonly nextRefresh: number | undefined
}

interface CachedToken extends IssuedToken {
  readonly podUid: string
  readonly expirationSeconds: number
}

interface TokenResult {
  readonly token: string | Error
  readonly nextRefresh: number
}

export class TokenManager {
  readonly #issuer: Pick<TokenIssuer, 'issue'>
  readonly #clock: Clock
  readonly #random: () => number
  readonly #onFailure: (error: Error, request: PodTokenRequest) => void
  readonly #cache = new Map<string, CachedToken>()
  /** Volumes that ask for the same token at once get the same one. */
  readonly #underWay = new Map<string, Promise<TokenResult>>()

  constructor(
    issuer: Pick<TokenIssuer, 'issue'>,
    clock: Clock,
    options: TokenManagerOptions = {},
  ) {
    this.#issuer = issuer
    this.#clock = clock
    this.#random = options.random ?? Math.random
    this.#onFailure = options.onFailure ?? (() => {})
  }

  /** All tokens that a volume asks for, renewed where that is due. Never rejects. */
  async tokensFor(request: VolumeTokensRequest): Promise<VolumeTokens> {
    this.#dropExpired()
    const results = new Map<ServiceAccountTokenProjection, TokenResult>()
    await Promise.all(
      request.sources.map(async source => {
        results.set(source, await this.#token(tokenRequest(request, source)))
      }),
    )
    return {
      of: source =>
        results.get(source)?.token ??
        new TypeError(`no token was asked for ${source.path}`),
      nextRefresh:
        results.size === 0
          ? undefined
          : Math.min(...[...results.values()].map(r => r.nextRefresh)),
    }
  }

  /** The Pod is gone: its next namesake gets new tokens. */
  forgetPod(podUid: string): void {
    for (const [key, cached] of this.#cache)
      if (cached.podUid === podUid) this.#cache.delete(key)
  }

  #token(request: PodTokenRequest): Promise<TokenResult> {
    const key = cacheKey(request)
    let result = this.#underWay.get(key)
    if (result === undefined) {
      result = this.#cachedOrIssued(key, request).finally(() =>
        this.#underWay.delete(key),
      )
      this.#underWay.set(key, result)
    }
    return result
  }

  async #cachedOrIssued(
    key: string,
    request: PodTokenRequest,
  ): Promise<TokenResult> {
    const cached = this.#cache.get(key)
    if (cached !== undefined && !this.#requiresRefresh(cached))
      return { token: cached.token, nextRefresh: refreshDeadline(cached) + 1 }
    try {
      const issued = {
        ...(await this.#issuer.issue(request, this.#clock.now())),
        podUid: request.pod.uid,
        expirationSeconds: request.expirationSeconds,
      }
      this.#cache.set(key, issued)
      return { token: issued.token, nextRefresh: refreshDeadline(issued) + 1 }
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      this.#onFailure(failure, request)
      const now = this.#clock.now()
      return {
        // An old token is better than none, for as long as it is one.
        token:
          cached !== undefined && now < cached.expiresAt
            ? cached.token
            : failure,
        nextRefresh: now + RETRY_MS,
      }
    }
  }

  /** The jitter is drawn anew at each look, as in the kubelet. */
  #requiresRefresh(cached: CachedToken): boolean {
    const jitterMs = Math.floor(this.#random() * MAX_JITTER_SECONDS) * 1000
    return this.#clock.now() > refreshDeadline(cached) - jitterMs
  }

  #dropExpired(): void {
    const now = this.#clock.now()
    for (const [key, { expiresAt }] of this.#cache)
      if (now >= expiresAt) this.#cache.delete(key)
  }
}

/** After 80 % of a token's life, or a day, whichever is earlier. */
function refreshDeadline(cached: CachedToken): number {
  const { expiresAt, expirationSeconds } = cached
  const issuedAt = expiresAt - expirationSeconds * 1000
  const remainingSeconds = Math.floor((expirationSeconds * 20) / 100)
  return Math.min(issuedAt + MAX_AGE_MS, expiresAt - remainingSeconds * 1000)
}

function tokenRequest(
  { pod, node }: VolumeTokensRequest,
  source: ServiceAccountTokenProjection,
): PodTokenRequest {
  const { namespace, name, uid } = pod.metadata
  const { serviceAccountName } = pod.spec
  return {
    namespace,
    serviceAccount: {
      name: serviceAccountName,
      uid: serviceAccountUid(namespace, serviceAccountName),
    },
    pod: { name, uid },
    node: { name: node.name, uid: node.uid },
    audiences: source.audience === undefined ? [] : [source.audience],
    expirationSeconds: source.expirationSeconds,
  }
}

/** Not the path: two files of one audience and lifetime hold the same token. */
function cacheKey(request: PodTokenRequest): string {
  return JSON.stringify([
    request.namespace,
    request.serviceAccount.name,
    request.serviceAccount.uid,
    request.pod.name,
    request.pod.uid,
    request.audiences,
    request.expirationSeconds,
  ])
}
