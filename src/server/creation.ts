import type { IncomingMessage } from 'node:http'
import type { JsonObject } from '../api/json.ts'
import type { NodeInfo } from '../api/types.ts'
import type { TokenIssuer } from '../tokens/token-issuer.ts'
import type { Clock } from '../util/clock.ts'
import { authenticationGroup, tokenSubresource } from './authentication.ts'
import type { KnownObjects } from './known-objects.ts'
import { requestBody } from './request-body.ts'
import type { RequestInfo } from './request-info.ts'
import { requestToken } from './token-request.ts'
import { reviewToken } from './token-review.ts'

export interface CreationOptions {
  readonly issuer: () => Promise<TokenIssuer>
  readonly known: KnownObjects
  readonly node: NodeInfo
  readonly clock: Clock
}

/**
 * What makes the answer to a POST at this path; undefined where nothing is created. The two
 * objects that can be, TokenRequest and TokenReview, are questions.
 */
export function creationAt(
  { group, resource, subresource, namespace, name }: RequestInfo,
  { issuer, known, node, clock }: CreationOptions,
): ((request: IncomingMessage) => Promise<JsonObject>) | undefined {
  const shared = async () => ({
    issuer: await issuer(),
    known,
    node,
    now: clock.now(),
  })
  const isTokenRequest =
    group === '' &&
    resource === 'serviceaccounts' &&
    subresource === tokenSubresource
  if (isTokenRequest && namespace !== undefined && name !== undefined)
    return async request => {
      const body = await requestBody(request, 'TokenRequest')
      return await requestToken({ ...(await shared()), body, namespace, name })
    }
  if (
    group === authenticationGroup &&
    resource === 'tokenreviews' &&
    namespace === undefined &&
    name === undefined
  )
    return async request => {
      const body = await requestBody(request, 'TokenReview')
      return await reviewToken({ ...(await shared()), body })
    }
  return undefined
}
