import { X509Certificate } from 'node:crypto'
import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required, tooLong } from '../field-errors.ts'
import { goQuote } from '../go-quote.ts'
import { pemBlocks } from '../pem.ts'
import type { ClusterTrustBundle } from '../types.ts'
import { dns1123Label, dns1123Subdomain } from './names.ts'

/** certificates.MaxTrustBundleSize */
const maxBundleBytes = 1024 * 1024

/** pkg/apis/certificates/validation/validation.go, ValidateClusterTrustBundle. */
export function validateClusterTrustBundle(
  { spec }: ClusterTrustBundle,
  findings: FindingList,
): void {
  const { signerName, trustBundle } = spec
  if (signerName !== undefined)
    validateSignerName(signerName, 'spec.signerName', findings)
  for (const problem of problemsOf(trustBundle))
    findings.reject('spec.trustBundle', problem)
}

/** Its name begins with its signer's, or has no colon (pkg/apis/core/validation/names.go). */
export function trustBundleName(
  name: string,
  signerName: string | undefined,
): string[] {
  if (!signerName)
    return name.includes(':')
      ? ['ClusterTrustBundle without signer name must not have ":" in its name']
      : dns1123Subdomain(name)
  const prefix = `${signerName.replaceAll('/', ':')}:`
  return name.startsWith(prefix)
    ? dns1123Subdomain(name.slice(prefix.length))
    : [
        `ClusterTrustBundle for signerName ${signerName} must be named with prefix ${prefix}`,
      ]
}

/** `example.com/signer-name`: ValidateSignerName, in the same file. */
export function validateSignerName(
  signerName: string,
  field: string,
  findings: FindingList,
): void {
  const reject = (value: string, problem: string): void =>
    findings.reject(field, invalid(value, problem))
  if (signerName === '') return findings.reject(field, required())
  const segments = signerName.split('/')
  const [domain = '', path = ''] = segments
  if (segments.length !== 2)
    return reject(
      signerName,
      "must be a fully qualified domain and path of the form 'example.com/signer-name'",
    )
  if (domain.length > 253) findings.reject(field, tooLong(253))
  const rejectFirst = (
    value: string,
    problemsOf: (label: string) => string[],
  ): void => {
    const bad = value.split('.').find(label => problemsOf(label).length > 0)
    for (const problem of bad === undefined ? [] : problemsOf(bad))
      reject(value, `validating label ${goQuote(bad ?? '')}: ${problem}`)
  }
  rejectFirst(domain, dns1123Label)
  if (!domain.includes('.'))
    reject(
      domain,
      'should be a domain with at least two segments separated by dots',
    )
  rejectFirst(path, dns1123Subdomain)
  // A domain, a slash, and a namespace and name with a dot between them.
  if (signerName.length > 571) findings.reject(field, tooLong(571))
}

/** validateTrustBundle. The certificates are no secret; the API server leaves them out. */
function problemsOf(trustBundle: string): string[] {
  const bytes = Buffer.from(trustBundle)
  if (bytes.byteLength > maxBundleBytes) return [tooLong(maxBundleBytes)]
  const refuse = (problem: string): string =>
    invalid('<value omitted>', problem)
  const blocks = pemBlocks(bytes)
  const broken = blocks.flatMap(({ label, hasHeaders, der }, i) => {
    if (label !== 'CERTIFICATE')
      return [refuse(`entry ${i} has bad block type: ${label}`)]
    if (hasHeaders) return [refuse(`entry ${i} has PEM block headers`)]
    const isAuthority = isAuthorityCertificate(der)
    if (isAuthority === undefined)
      return [refuse(`entry ${i} does not parse as X.509`)]
    return isAuthority
      ? []
      : [refuse(`entry ${i} does not have the CA bit set`)]
  })
  if (broken.length > 0) return broken
  if (blocks.length === 0)
    return [refuse('at least one trust anchor must be provided')]
  const places = new Map<string, number[]>()
  for (const [i, { der }] of blocks.entries()) {
    const key = Buffer.from(der).toString('latin1')
    places.set(key, [...(places.get(key) ?? []), i])
  }
  return [...places.values()]
    .filter(indices => indices.length > 1)
    .map(indices =>
      refuse(`duplicate trust anchor (indices [${indices.join(' ')}])`),
    )
}

/** Undefined for what is no certificate. */
function isAuthorityCertificate(der: Uint8Array): boolean | undefined {
  try {
    return new X509Certificate(der).ca
  } catch {
    return undefined
  }
}
