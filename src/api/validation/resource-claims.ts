import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, invalid, notFound, required } from '../field-errors.ts'
import { dns1123Label, dns1123Subdomain } from './names.ts'
import type { PodResourceClaim, ResourceFields } from './unvalidated-pod.ts'

/** Source: validatePodResourceClaims. */
export function validateResourceClaims(
  claims: readonly PodResourceClaim[],
  findings: FindingList,
): void {
  const names = new Set<string>()
  for (const [i, claim] of claims.entries()) {
    const at = `spec.resourceClaims[${i}]`
    const { name, resourceClaimName, resourceClaimTemplateName } = claim
    if (name === undefined) findings.reject(`${at}.name`, required())
    else if (names.has(name)) findings.reject(`${at}.name`, duplicate(name))
    else {
      findings.rejectEach(`${at}.name`, dns1123Label(name), problem =>
        invalid(name, problem),
      )
      names.add(name)
    }
    const value = {
      Name: name ?? '',
      ResourceClaimName: resourceClaimName ?? null,
      ResourceClaimTemplateName: resourceClaimTemplateName ?? null,
    }
    if (
      resourceClaimName !== undefined &&
      resourceClaimTemplateName !== undefined
    ) {
      findings.reject(
        at,
        invalid(
          value,
          'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        ),
      )
    }
    if (
      resourceClaimName === undefined &&
      resourceClaimTemplateName === undefined
    ) {
      findings.reject(
        at,
        invalid(
          value,
          'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
        ),
      )
    }
    for (const field of [
      'resourceClaimName',
      'resourceClaimTemplateName',
    ] as const) {
      const named = claim[field]
      if (named === undefined) continue
      findings.rejectEach(`${at}.${field}`, dns1123Subdomain(named), problem =>
        invalid(named, problem),
      )
    }
  }
}

/** Source: validateResourceClaimNames: the claims of a container name those of its Pod. */
export function validateClaims(
  resources: ResourceFields,
  path: string,
  podClaims: readonly PodResourceClaim[],
  findings: FindingList,
): void {
  const names = new Set<string>()
  const known = podClaims.flatMap(claim => claim.name ?? []).sort()
  for (const [i, claim] of (resources.claims ?? []).entries()) {
    const at = `${path}.claims[${i}]`
    const { name, request } = claim
    if (name === undefined) {
      findings.reject(at, required())
      continue
    }
    const key = request === undefined ? name : `${name}/${request}`
    if (request !== undefined) {
      findings.rejectEach(`${at}.request`, dns1123Label(request), problem =>
        invalid(request, problem),
      )
    }
    const overlaps =
      names.has(name) ||
      names.has(key) ||
      (request === undefined &&
        [...names].some(other => other.startsWith(`${name}/`)))
    if (overlaps) {
      findings.reject(at, duplicate(names.has(name) ? name : key))
    }
    names.add(key)
    if (!known.includes(name)) {
      const list =
        known.length === 0 ? ' which is empty' : `: ${known.join(', ')}`
      findings.reject(
        at,
        notFound(
          name,
          `must be one of the names in pod.spec.resourceClaims${list}`,
        ),
      )
    }
  }
}
