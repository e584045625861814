import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required } from '../field-errors.ts'
import { parseIP } from './ip.ts'
import { dns1123Subdomain, dns1123SubdomainWithUnderscore } from './names.ts'
import type { PodFields } from './unvalidated-pod.ts'

/** Source: validatePodDNSConfig. */
export function validateDNS(spec: PodFields, findings: FindingList): void {
  const path = 'spec.dnsConfig'
  const { dnsPolicy, dnsConfig } = spec
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {}
  if (dnsPolicy === 'None' && nameservers.length === 0) {
    if (dnsConfig === undefined) {
      findings.reject(
        path,
        required('must provide `dnsConfig` when `dnsPolicy` is None'),
      )
    } else {
      findings.reject(
        `${path}.nameservers`,
        required(
          'must provide at least one DNS nameserver when `dnsPolicy` is None',
        ),
      )
    }
    return
  }
  if (nameservers.length > 3) {
    findings.reject(
      `${path}.nameservers`,
      invalid(nameservers, 'must not have more than 3 nameservers'),
    )
  }
  for (const [i, nameserver] of nameservers.entries()) {
    validateIP(nameserver, `${path}.nameservers[${i}]`, findings)
  }
  if (searches.length > 32) {
    findings.reject(
      `${path}.searches`,
      invalid(searches, 'must not have more than 32 search paths'),
    )
  }
  if (Buffer.byteLength(searches.join(' ')) > 2048) {
    findings.reject(
      `${path}.searches`,
      invalid(
        searches,
        'must not have more than 2048 characters (including spaces) in the search list',
      ),
    )
  }
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue
    const domain = search.replace(/\.$/, '')
    findings.rejectEach(
      `${path}.searches[${i}]`,
      dns1123SubdomainWithUnderscore(domain),
      problem => invalid(domain, problem),
    )
  }
  for (const [i, { name = '' }] of options.entries()) {
    if (name === '') {
      findings.reject(`${path}.options[${i}]`, required('must not be empty'))
    }
  }
}

/** Source: ValidateHostAliases. */
export function validateHostAliases(
  spec: PodFields,
  findings: FindingList,
): void {
  for (const [i, alias] of spec.hostAliases.entries()) {
    const path = `spec.hostAliases[${i}]`
    validateIP(alias.ip ?? '', `${path}.ip`, findings)
    for (const [j, hostname] of alias.hostnames.entries()) {
      findings.rejectEach(
        `${path}.hostnames[${j}]`,
        dns1123Subdomain(hostname),
        problem => invalid(hostname, problem),
      )
    }
  }
}

function validateIP(ip: string, path: string, findings: FindingList): void {
  if (parseIP(ip) !== undefined) return
  findings.reject(
    path,
    invalid(
      ip,
      'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ),
  )
}
