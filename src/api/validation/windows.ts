import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid } from '../field-errors.ts'
import { dns1123Subdomain } from './names.ts'
import {
  containersOf,
  type PodFields,
  type WindowsOptions,
} from './unvalidated-pod.ts'

const maxCredentialSpecBytes = 64 * 1024

/** Source: validateWindowsSecurityContextOptions. */
export function validateWindowsOptions(
  options: WindowsOptions | undefined,
  path: string,
  findings: FindingList,
): void {
  if (options === undefined) return
  const { gmsaCredentialSpecName, gmsaCredentialSpec, runAsUserName } = options
  if (gmsaCredentialSpecName !== undefined) {
    findings.rejectEach(
      `${path}.gmsaCredentialSpecName`,
      dns1123Subdomain(gmsaCredentialSpecName),
      problem => invalid(gmsaCredentialSpecName, problem),
    )
  }
  if (gmsaCredentialSpec === '') {
    findings.reject(
      `${path}.gmsaCredentialSpec`,
      invalid('', 'gmsaCredentialSpec cannot be an empty string'),
    )
  } else if (
    Buffer.byteLength(gmsaCredentialSpec ?? '') > maxCredentialSpecBytes
  ) {
    findings.reject(
      `${path}.gmsaCredentialSpec`,
      invalid(
        gmsaCredentialSpec,
        'gmsaCredentialSpec size must be under 64 KiB',
      ),
    )
  }
  if (runAsUserName !== undefined) {
    findings.rejectEach(
      `${path}.runAsUserName`,
      userNameProblems(runAsUserName),
      problem => invalid(runAsUserName, `runAsUserName${problem}`),
    )
  }
}

const netBiosDomain = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const dnsLabel = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const dnsDomain = new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`)

function userNameProblems(name: string): string[] {
  if (name === '') return [' cannot be an empty string']
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(name))
    return [' cannot contain control characters']
  const parts = name.split('\\')
  if (parts.length > 2) return [' cannot contain more than one backslash']
  const user = parts.at(-1) ?? ''
  const domain = parts.length === 2 ? parts[0] : undefined
  const problems: string[] = []
  if (domain !== undefined) {
    if (Buffer.byteLength(domain) >= 256) {
      problems.push("'s Domain length must be under 256 characters")
    }
    if (!netBiosDomain.test(domain) && !dnsDomain.test(domain)) {
      problems.push("'s Domain doesn't match the NetBios nor the DNS format")
    }
  }
  if (user === '') problems.push("'s User cannot be empty")
  if (Buffer.byteLength(user) > 104) {
    problems.push("'s User length must not be longer than 104 characters")
  }
  if (/^[. ]+$/.test(user)) {
    problems.push("'s User cannot contain only periods or spaces")
  }
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    problems.push(
      String.raw`'s User cannot contain the following characters: "/\:;|=,+*?<>@[]`,
    )
  }
  return problems
}

/** Source: validateWindowsHostProcessPod. */
export function validateHostProcess(
  spec: PodFields,
  findings: FindingList,
): void {
  const podValue = spec.securityContext.windowsOptions?.hostProcess
  const values = containersOf(spec).map(([path, container]) => {
    const own = container.securityContext?.windowsOptions?.hostProcess
    if (own !== undefined && podValue !== undefined && own !== podValue) {
      findings.reject(
        `${path}.securityContext.windowsOptions.hostProcess`,
        invalid(
          own,
          `pod hostProcess value must be identical if both are specified, was ${podValue}`,
        ),
      )
    }
    return own ?? podValue ?? false
  })
  if (!values.includes(true)) return
  if (values.includes(false)) {
    findings.reject(
      'spec',
      invalid(
        '',
        'If pod contains any hostProcess containers then all containers must be HostProcess containers',
      ),
    )
  }
  if (!spec.hostNetwork) {
    findings.reject(
      'spec.hostNetwork',
      invalid(
        false,
        'hostNetwork must be true if pod contains any hostProcess containers',
      ),
    )
  }
}

// Stryker disable ArrayDeclaration,StringLiteral: a test would repeat it
const podFields = ['hostUsers', 'hostPID', 'hostIPC', 'shareProcessNamespace']
const contextFields = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
]
// Stryker restore ArrayDeclaration,StringLiteral

/** Source: validateWindows, validateLinux: what the other system's Pods may not have. */
export function validateForOS(spec: PodFields, findings: FindingList): void {
  const contexts: (readonly [string, object | undefined])[] = [
    ['spec.securityContext', spec.securityContext],
    ...containersOf(spec).map(
      ([path, container]) =>
        [`${path}.securityContext`, container.securityContext] as const,
    ),
  ]
  const forbid = (path: string, object: object, fields: readonly string[]) => {
    for (const field of fields) {
      const value = (object as Readonly<Record<string, unknown>>)[field]
      // Of the Pod's own flags Go cannot tell false from nothing.
      const absent =
        value === undefined ||
        (value === false && /^host(PID|IPC)$/.test(field))
      if (absent) continue
      findings.reject(
        `${path}.${field}`,
        forbidden(
          field === 'windowsOptions'
            ? 'windows options cannot be set for a linux pod'
            : 'cannot be set for a windows pod',
        ),
      )
    }
  }
  const windows = spec.os?.name === 'windows'
  if (windows) forbid('spec', spec, podFields)
  for (const [path, context] of contexts) {
    if (context === undefined) continue
    forbid(path, context, windows ? contextFields : ['windowsOptions'])
  }
}
