import type { JsonObject } from '../api/json.ts'
import { formatTime } from '../runner/status/container-status.ts'
import type { TokenIssuer, TokenRequest } from '../tokens/token-issuer.ts'
import { ApiError, badRequest, notFound } from './api-error.ts'
import { authenticationGroup, authenticationV1 } from './authentication.ts'
import type { KnownObjects } from './known-objects.ts'
import { Fields } from './request-body.ts'

interface TokenRequestOptions {
  readonly namespace: string
  /** Of the service account. */
  readonly name: string
  readonly body: JsonObject
  readonly issuer: TokenIssuer
  readonly known: KnownObjects
  readonly node: { readonly name: string; readonly uid: string }
  readonly now: number
}

const defaultSeconds = 3600
const leastSeconds = 600
const mostSeconds = 2 ** 32

/**
 * Issues a token for a service account, bound to what the request names
 * (kubernetes pkg/registry/core/serviceaccount/storage/token.go; C86). Throws an ApiError.
 */
export async function requestToken(
  options: TokenRequestOptions,
): Promise<JsonObject> {
  const { namespace, name, body, issuer, known, now } = options
  const uid = known.serviceAccount(namespace, name)
  refuseOtherName(options)
  if (uid === undefined)
    throw notFound({ plural: 'serviceaccounts', group: '' }, name)
  const spec = new Fields('TokenRequest', 'spec', body['spec'])
  const audiences = spec.texts('audiences')
  const expirationSeconds = spec.integer('expirationSeconds') ?? defaultSeconds
  if (expirationSeconds < leastSeconds || expirationSeconds > mostSeconds)
    throw invalid(
      '',
      'spec.expirationSeconds',
      String(expirationSeconds),
      expirationSeconds < leastSeconds
        ? 'may not specify a duration less than 10 minutes'
        : 'may not specify a duration larger than 2^32 seconds',
    )
  const reference = spec.fields('boundObjectRef')
  const request: TokenRequest = {
    namespace,
    serviceAccount: { name, uid },
    audiences: audiences.length === 0 ? [issuer.issuer] : audiences,
    expirationSeconds,
    ...(reference === undefined ? {} : boundTo(reference, options)),
  }
  const { token, expiresAt } = await issuer.issue(request, now)
  return {
    kind: 'TokenRequest',
    apiVersion: authenticationV1,
    metadata: { name, namespace, creationTimestamp: formatTime(now) },
    spec: {
      audiences: request.audiences,
      expirationSeconds,
      boundObjectRef: referenceOf(reference),
    },
    status: { token, expirationTimestamp: formatTime(expiresAt) },
  }
}

/** Name and namespace stand in the path; the body may repeat them. */
function refuseOtherName({ namespace, name, body }: TokenRequestOptions): void {
  const metadata = new Fields('TokenRequest', 'metadata', body['metadata'])
  for (const [field, wanted] of [
    ['name', name],
    ['namespace', namespace],
  ] as const) {
    const given = metadata.text(field)
    if (given !== '' && given !== wanted)
      throw invalid(
        name,
        `metadata.${field}`,
        JSON.stringify(given),
        `must match the service account ${field} if specified`,
      )
  }
}

function boundTo(
  reference: Fields,
  { namespace, name: account, known, node }: TokenRequestOptions,
): Pick<TokenRequest, 'pod' | 'secret' | 'node'> {
  const kind = reference.text('kind')
  const apiVersion = reference.text('apiVersion')
  const name = reference.text('name')
  const [group, version] = apiVersion.includes('/')
    ? apiVersion.split('/')
    : ['', apiVersion]
  const found = (uid: string | undefined, plural: string) => {
    if (uid === undefined) throw notFound({ plural, group: '' }, name)
    const wanted = reference.text('uid')
    if (wanted !== '' && wanted !== uid)
      throw new ApiError(
        409,
        'Conflict',
        `Operation cannot be fulfilled on ${kind} ${JSON.stringify(name)}: the UID in the bound object reference (${wanted}) does not match the UID in record. The object might have been deleted and then recreated`,
        { name, kind },
      )
    return { name, uid }
  }
  switch (group === '' ? kind : '') {
    case 'Pod': {
      const pod = known.pod(namespace, name)?.pod
      const bound = found(pod?.metadata.uid, 'pods')
      if (pod?.spec.serviceAccountName !== account)
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        )
      return { pod: bound, node }
    }
    case 'Node':
      return {
        node: found(name === node.name ? node.uid : undefined, 'nodes'),
      }
    case 'Secret':
      return { secret: found(known.secret(namespace, name), 'secrets') }
  }
  throw badRequest(
    `cannot bind token to object of type ${group}/${version}, Kind=${kind}`,
  )
}

function referenceOf(reference: Fields | undefined): JsonObject | null {
  if (reference === undefined) return null
  const fields = ['kind', 'apiVersion', 'name', 'uid'] as const
  return Object.fromEntries(
    fields.flatMap(field => {
      const value = reference.text(field)
      return value === '' ? [] : [[field, value]]
    }),
  )
}

function invalid(
  name: string,
  field: string,
  value: string,
  detail: string,
): ApiError {
  const message = `Invalid value: ${value}: ${detail}`
  return new ApiError(
    422,
    'Invalid',
    `TokenRequest.${authenticationGroup} ${JSON.stringify(name)} is invalid: ${field}: ${message}`,
    {
      ...(name === '' ? {} : { name }),
      group: authenticationGroup,
      kind: 'TokenRequest',
      causes: [{ reason: 'FieldValueInvalid', message, field }],
    },
  )
}
