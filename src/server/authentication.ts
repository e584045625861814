import type { JsonObject } from '../api/json.ts'

export const authenticationGroup = 'authentication.k8s.io'
export const authenticationV1 = `${authenticationGroup}/v1`

/** Of a service account: where a token is asked for. */
export const tokenSubresource = 'token'

export const openIdConfigurationPath = '/.well-known/openid-configuration'
export const keySetPath = '/openid/v1/jwks'

/**
 * What a program needs to verify a service account token by itself (OpenID Connect
 * Discovery 1.0; kubernetes pkg/serviceaccount/openidmetadata.go; C84). The keys are where the
 * issuer says that they are; this server has them at that path.
 */
export function openIdConfiguration(issuer: string): JsonObject {
  return {
    issuer,
    jwks_uri: `${issuer.replace(/\/+$/, '')}${keySetPath}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
  }
}
