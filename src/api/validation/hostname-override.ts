import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, tooLong } from '../field-errors.ts'
import { dns1123Subdomain } from './names.ts'
import type { PodFields } from './unvalidated-pod.ts'

/** Source: validatePodHostName. */
export function validateHostnameOverride(
  spec: PodFields,
  findings: FindingList,
): void {
  const { hostnameOverride: name, setHostnameAsFQDN, hostNetwork } = spec
  if (name === undefined) return
  const refuse = (words: string) =>
    findings.reject('spec.hostnameOverride', words)
  if (setHostnameAsFQDN)
    refuse(forbidden('may not be specified when setHostnameAsFQDN is true'))
  if (hostNetwork)
    refuse(forbidden('may not be specified when hostNetwork is true'))
  if (Buffer.byteLength(name) > 64) refuse(tooLong(64))
  for (const problem of dns1123Subdomain(name)) refuse(invalid(name, problem))
}
