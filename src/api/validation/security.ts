import type { FindingList } from '../decode/finding-list.ts'
import {
  duplicate,
  forbidden,
  invalid,
  required,
  tooLong,
  unsupported,
} from '../field-errors.ts'
import { sysctlNamespace } from '../sysctls.ts'
import { inRange } from './names.ts'
import { validateDescendingPath } from './paths.ts'
import type {
  PodFields,
  PodSecurityFields,
  Profile,
  SecurityFields,
} from './unvalidated-pod.ts'
import { validateWindowsOptions } from './windows.ts'

const maxId = 2 ** 31 - 1

/** Source: validatePodSpecSecurityContext. */
export function validatePodSecurityContext(
  spec: PodFields,
  findings: FindingList,
): void {
  const path = 'spec.securityContext'
  const context = spec.securityContext
  for (const field of ['runAsUser', 'runAsGroup', 'fsGroup'] as const) {
    validateId(context[field], `${path}.${field}`, findings)
  }
  for (const [i, gid] of (context.supplementalGroups ?? []).entries()) {
    validateId(gid, `${path}.supplementalGroups[${i}]`, findings)
  }
  if (spec.hostPID === true && spec.shareProcessNamespace === true) {
    findings.reject(
      `${path}.shareProcessNamespace`,
      invalid(true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    )
  }
  validateSysctls(spec, `${path}.sysctls`, findings)
  const policies = {
    fsGroupChangePolicy: ['Always', 'OnRootMismatch'],
    supplementalGroupsPolicy: ['Merge', 'Strict'],
    // The other one has a feature gate that is off.
    seLinuxChangePolicy: ['Recursive'],
  } as const
  for (const [field, valid] of Object.entries(policies)) {
    const policy = context[field as keyof typeof policies]
    if (policy === undefined) continue
    if (!(valid as readonly string[]).includes(policy)) {
      findings.reject(`${path}.${field}`, unsupported(policy, valid))
    }
  }
  validateShared(context, path, findings)
}

/** Source: ValidateSecurityContext. */
export function validateSecurityContext(
  context: SecurityFields | undefined,
  path: string,
  hostUsers: boolean,
  findings: FindingList,
): void {
  if (context === undefined) return
  validateId(context.runAsUser, `${path}.runAsUser`, findings)
  validateId(context.runAsGroup, `${path}.runAsGroup`, findings)
  validateProcMount(context.procMount, `${path}.procMount`, hostUsers, findings)
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged === true) {
      findings.reject(
        path,
        invalid(
          internalValue(context),
          'cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
        ),
      )
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true) {
      findings.reject(
        path,
        invalid(
          internalValue(context),
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      )
    }
  }
  validateShared(context, path, findings)
}

function validateShared(
  context: SecurityFields | PodSecurityFields,
  path: string,
  findings: FindingList,
): void {
  const { seccompProfile, appArmorProfile, windowsOptions } = context
  validateSeccomp(seccompProfile, `${path}.seccompProfile`, findings)
  validateAppArmor(appArmorProfile, `${path}.appArmorProfile`, findings)
  validateWindowsOptions(windowsOptions, `${path}.windowsOptions`, findings)
}

function validateId(
  id: number | undefined,
  path: string,
  findings: FindingList,
): void {
  if (id === undefined) return
  findings.rejectEach(path, inRange(id, 0, maxId), problem =>
    invalid(id, problem),
  )
}

const procMounts = ['Default', 'Unmasked']

function validateProcMount(
  procMount: string | undefined,
  path: string,
  hostUsers: boolean,
  findings: FindingList,
): void {
  if (procMount === undefined) return
  if (!procMounts.includes(procMount)) {
    findings.reject(path, unsupported(procMount, procMounts))
  } else if (procMount === 'Unmasked' && hostUsers) {
    findings.reject(
      path,
      invalid(procMount, '`hostUsers` must be false to use `Unmasked`'),
    )
  }
}

const profileTypes = ['Localhost', 'RuntimeDefault', 'Unconfined']

function validateProfileType(
  profile: Profile,
  path: string,
  field: string,
  findings: FindingList,
): void {
  const { type = '' } = profile
  if (type === '') {
    findings.reject(
      `${path}.type`,
      required(`type is required when ${field} is set`),
    )
  } else if (!profileTypes.includes(type)) {
    findings.reject(`${path}.type`, unsupported(type, profileTypes))
  }
}

function validateSeccomp(
  profile: Profile | undefined,
  path: string,
  findings: FindingList,
): void {
  if (profile === undefined) return
  validateProfileType(profile, path, 'seccompProfile', findings)
  const at = `${path}.localhostProfile`
  const { type = '', localhostProfile } = profile
  if (type !== 'Localhost') {
    if (localhostProfile !== undefined) {
      findings.reject(
        at,
        invalid(
          { Type: type, LocalhostProfile: localhostProfile },
          'can only be set when seccomp type is Localhost',
        ),
      )
    }
  } else if (localhostProfile === undefined) {
    findings.reject(at, required('must be set when seccomp type is Localhost'))
  } else {
    validateDescendingPath(localhostProfile, at, findings)
  }
}

/** The longest path that Linux takes. */
const maxProfileLength = 4095

function validateAppArmor(
  profile: Profile | undefined,
  path: string,
  findings: FindingList,
): void {
  if (profile === undefined) return
  validateProfileType(profile, path, 'appArmorProfile', findings)
  const at = `${path}.localhostProfile`
  const { type = '', localhostProfile } = profile
  if (type === 'Localhost') {
    if (localhostProfile === undefined || localhostProfile === '') {
      findings.reject(
        at,
        required('must be set when AppArmor type is Localhost'),
      )
    } else if (localhostProfile.trim() !== localhostProfile) {
      findings.reject(
        at,
        invalid(localhostProfile, 'must not be padded with whitespace'),
      )
    }
    if (Buffer.byteLength(localhostProfile ?? '') > maxProfileLength) {
      findings.reject(at, tooLong(maxProfileLength))
    }
  } else if (profileTypes.includes(type) && localhostProfile !== undefined) {
    findings.reject(
      at,
      invalid(
        localhostProfile,
        'can only be set when AppArmor type is Localhost',
      ),
    )
  }
}

const sysctlName =
  /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/
const sysctlWords = String.raw`must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`

function validateSysctls(
  spec: PodFields,
  path: string,
  findings: FindingList,
): void {
  const names = new Set<string>()
  for (const [i, { name = '' }] of (
    spec.securityContext.sysctls ?? []
  ).entries()) {
    const at = `${path}[${i}].name`
    if (name === '') findings.reject(at, required())
    else if (name.length > 253 || !sysctlName.test(name)) {
      findings.reject(at, invalid(name, sysctlWords))
    } else if (names.has(name)) findings.reject(at, duplicate(name))
    names.add(name)
    const namespace = sysctlNamespace(name)
    for (const [field, of] of [
      ['hostNetwork', 'Net'],
      ['hostIPC', 'IPC'],
    ] as const) {
      if (spec[field] === true && namespace === of) {
        findings.reject(
          at,
          invalid(name, `may not be specified when '${field}' is true`),
        )
      }
    }
  }
}

/** Source: validateHostUsers. */
export function validateHostUsers(
  spec: PodFields,
  findings: FindingList,
): void {
  if (spec.hostUsers !== false) return
  const words = forbidden('when `hostUsers` is false')
  if (spec.hostNetwork) findings.reject('spec.hostNetwork', words)
  // The API server spells them so.
  if (spec.hostPID === true) findings.reject('spec.HostPID', words)
  if (spec.hostIPC === true) findings.reject('spec.HostIPC', words)
}

/** The API server's internal struct, as its messages show it. */
function internalValue(context: SecurityFields): unknown {
  const { capabilities, seLinuxOptions, windowsOptions } = context
  const fields = {
    Capabilities: capabilities && {
      Add: capabilities.add ?? null,
      Drop: capabilities.drop ?? null,
    },
    Privileged: context.privileged,
    SELinuxOptions: seLinuxOptions && {
      User: seLinuxOptions.user ?? '',
      Role: seLinuxOptions.role ?? '',
      Type: seLinuxOptions.type ?? '',
      Level: seLinuxOptions.level ?? '',
    },
    WindowsOptions: windowsOptions && {
      GMSACredentialSpecName: windowsOptions.gmsaCredentialSpecName ?? null,
      GMSACredentialSpec: windowsOptions.gmsaCredentialSpec ?? null,
      RunAsUserName: windowsOptions.runAsUserName ?? null,
      HostProcess: windowsOptions.hostProcess ?? null,
    },
    RunAsUser: context.runAsUser,
    RunAsGroup: context.runAsGroup,
    RunAsNonRoot: context.runAsNonRoot,
    ReadOnlyRootFilesystem: context.readOnlyRootFilesystem,
    AllowPrivilegeEscalation: context.allowPrivilegeEscalation,
    ProcMount: context.procMount,
    SeccompProfile: internalProfile(context.seccompProfile),
    AppArmorProfile: internalProfile(context.appArmorProfile),
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value ?? null]),
  )
}

function internalProfile(profile: Profile | undefined): unknown {
  return (
    profile && {
      Type: profile.type ?? '',
      LocalhostProfile: profile.localhostProfile ?? null,
    }
  )
}
