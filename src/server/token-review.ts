import type { JsonObject } from '../api/json.ts'
import type { TokenIssuer } from '../tokens/token-issuer.ts'
import {
  leewaySeconds,
  TokenRefused,
  type VerifiedToken,
} from '../tokens/token-verifier.ts'
import { badRequest, notFound } from './api-error.ts'
import { authenticationV1 } from './authentication.ts'
import type { KnownObjects } from './known-objects.ts'
import { Fields } from './request-body.ts'

interface ReviewOptions {
  readonly body: JsonObject
  readonly issuer: TokenIssuer
  readonly known: KnownObjects
  readonly node: { readonly name: string; readonly uid: string }
  readonly now: number
}

/**
 * Says whose a token is, or why it is nobody's
 * (kubernetes pkg/registry/authentication/tokenreview/storage.go and
 * pkg/serviceaccount/claims.go; C79, C86). Throws an ApiError for a body that asks nothing.
 */
export async function reviewToken(options: ReviewOptions): Promise<JsonObject> {
  const { body, issuer, now } = options
  const spec = new Fields('TokenReview', 'spec', body['spec'])
  const token = spec.text('token')
  if (token === '')
    throw badRequest('token is required for TokenReview in authentication')
  const audiences = spec.texts('audiences')
  return {
    kind: 'TokenReview',
    apiVersion: authenticationV1,
    metadata: {},
    spec: { token, ...(audiences.length === 0 ? {} : { audiences }) },
    status: await statusOf(() => issuer.verify(token, audiences, now), options),
  }
}

const invalidToken = 'invalid bearer token'

async function statusOf(
  verify: () => Promise<VerifiedToken | undefined>,
  options: ReviewOptions,
): Promise<JsonObject> {
  try {
    const verified = await verify()
    if (verified === undefined) return { user: {}, error: invalidToken }
    refuseUnbound(verified, options)
    return {
      authenticated: true,
      user: userOf(verified),
      audiences: verified.audiences,
    }
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error
    return { user: {}, error: `[${invalidToken}, ${error.message}]` }
  }
}

/** Throws TokenRefused when what the token is bound to is no longer there. */
function refuseUnbound(
  { bound }: VerifiedToken,
  { known, node, now }: ReviewOptions,
): void {
  const { namespace, serviceaccount } = bound
  const uid = known.serviceAccount(namespace, serviceaccount.name)
  if (uid === undefined)
    throw new TokenRefused(
      notFound({ plural: 'serviceaccounts', group: '' }, serviceaccount.name)
        .message,
    )
  if (uid !== serviceaccount.uid)
    throw new TokenRefused(
      `service account UID (${uid}) does not match claim (${serviceaccount.uid})`,
    )
  const refuseOther = (
    kind: string,
    reference: { readonly uid: string },
    found: string | undefined,
  ): void => {
    if (found === undefined)
      throw new TokenRefused('service account token has been invalidated')
    if (found !== reference.uid)
      throw new TokenRefused(
        `${kind} UID (${found}) does not match service account ${kind} ref claim (${reference.uid})`,
      )
  }
  if (bound.secret !== undefined)
    refuseOther(
      'secret',
      bound.secret,
      known.secret(namespace, bound.secret.name),
    )
  if (bound.pod !== undefined) {
    const live = known.pod(namespace, bound.pod.name)
    const isOver =
      live?.deletion !== undefined &&
      live.deletion.time < now - leewaySeconds * 1000
    refuseOther('pod', bound.pod, isOver ? undefined : live?.pod.metadata.uid)
  } else if (bound.node !== undefined)
    refuseOther(
      'node',
      bound.node,
      bound.node.name === node.name ? node.uid : undefined,
    )
}

/** UserInfo of authentication.k8s.io/v1. */
function userOf({ id, bound }: VerifiedToken): JsonObject {
  const { namespace, serviceaccount, pod, node } = bound
  const extra = Object.entries({
    'credential-id': `JTI=${id}`,
    'node-name': node?.name,
    'node-uid': node?.uid,
    'pod-name': pod?.name,
    'pod-uid': pod?.uid,
  }).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [[`authentication.kubernetes.io/${name}`, [value]] as const],
  )
  return {
    username: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
    uid: serviceaccount.uid,
    groups: [
      'system:serviceaccounts',
      `system:serviceaccounts:${namespace}`,
      'system:authenticated',
    ],
    extra: Object.fromEntries(extra),
  }
}
