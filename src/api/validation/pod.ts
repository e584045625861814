import { isIP } from 'node:net'
import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required } from '../field-errors.ts'
import type { Pod } from '../types.ts'
import { validateContainers } from './containers.ts'
import { dns1123Label, dns1123Subdomain } from './names.ts'
import { validateIds } from './security.ts'
import { validateVolumes } from './volumes.ts'

/** Source: pkg/apis/core/validation/validation.go, ValidatePodSpec. */
export function validatePod({ spec }: Pod, findings: FindingList): void {
  validateVolumes(spec.volumes, findings)
  if (spec.containers !== undefined) validateContainers(spec, findings)
  validateIds(spec.securityContext, 'spec.securityContext', findings)
  for (const field of ['hostname', 'subdomain'] as const) {
    const value = spec[field]
    for (const problem of value === undefined ? [] : dns1123Label(value)) {
      findings.reject(`spec.${field}`, invalid(value ?? '', problem))
    }
  }
  for (const field of ['serviceAccountName', 'nodeName'] as const) {
    const value = spec[field]
    for (const problem of value === undefined ? [] : dns1123Subdomain(value)) {
      findings.reject(`spec.${field}`, invalid(value ?? '', problem))
    }
  }
  for (const [i, alias] of spec.hostAliases.entries()) {
    const path = `spec.hostAliases[${i}]`
    if (alias.ip !== undefined && isIP(alias.ip) === 0) {
      findings.reject(
        `${path}.ip`,
        invalid(
          alias.ip,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      )
    }
    for (const [j, hostname] of alias.hostnames.entries()) {
      for (const problem of dns1123Subdomain(hostname)) {
        findings.reject(`${path}.hostnames[${j}]`, invalid(hostname, problem))
      }
    }
  }
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    findings.reject(
      'spec.activeDeadlineSeconds',
      invalid(deadline, 'must be between 1 and 2147483647, inclusive'),
    )
  }
  validateDns(spec as { dnsPolicy?: unknown; dnsConfig?: unknown }, findings)
}

/** Fields that podfs ignores, so that they are not in the type. */
function validateDns(
  spec: { readonly dnsPolicy?: unknown; readonly dnsConfig?: unknown },
  findings: FindingList,
): void {
  if (spec.dnsPolicy === 'None' && spec.dnsConfig === undefined) {
    findings.reject(
      'spec.dnsConfig',
      required('must provide `dnsConfig` when `dnsPolicy` is None'),
    )
  }
}
