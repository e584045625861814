import type { Container, Pod, SecurityProfile } from '../../api/types.ts'
import {
  readSecurityModules,
  type AppArmor,
  type SecurityModules,
} from '../../linux/security-modules.ts'
import type { ProcessLabels } from '../sandbox/container-runtime.ts'
import { createError } from './errors.ts'

/** What the machine has; called only for a Pod that asks for a label. */
export type ReadModules = () => SecurityModules

/** From before there was a field (deprecated since Kubernetes v1.30). */
const annotationPrefix = 'container.apparmor.security.beta.kubernetes.io/'

/** What container run-times load as their default: containerd, CRI-O, Docker. */
const defaultProfiles = [
  'cri-containerd.apparmor.d',
  'crio-default',
  'docker-default',
]

/**
 * Why a kubelet refuses the Pod, in its words (pkg/security/apparmor); undefined when it does not.
 * On a machine without AppArmor it refuses RuntimeDefault, too, though a container that asks for
 * nothing gets the same and runs: such a one is let through here, and told of (`withoutProfile`).
 */
export function forbiddenAppArmor(
  pod: Pod,
  readModules: ReadModules = readSecurityModules,
): string | undefined {
  const containers = containersOf(pod)
  const asked = [
    pod.spec.securityContext.appArmorProfile,
    ...containers.map(container => container.securityContext?.appArmorProfile),
    ...containers.map(container => annotated(pod, container)),
  ].filter(profile => profile?.type === 'Localhost')
  if (asked.length === 0) return undefined
  if (readModules().appArmor === undefined)
    return 'Cannot enforce AppArmor: AppArmor is not enabled on the host'
  const isNamed = asked.every(profile => profile?.localhostProfile?.trim())
  return isNamed
    ? undefined
    : 'Cannot enforce AppArmor: invalid empty AppArmor profile name'
}

/** The containers on which RuntimeDefault has no effect here, and why. */
export function withoutProfile(
  pod: Pod,
  readModules: ReadModules = readSecurityModules,
): { readonly containers: readonly Container[]; readonly why: string } {
  const { initContainers, containers: main } = pod.spec
  const containers = [...initContainers, ...main].filter(
    container => asksForDefault(pod, container) && !isPrivileged(container),
  )
  if (containers.length === 0) return { containers, why: '' }
  const found = defaultProfile(readModules().appArmor)
  return typeof found === 'string'
    ? { containers, why: found }
    : { containers: [], why: '' }
}

/**
 * What the program of a container runs under; undefined: as podfs itself. Throws what a container
 * run-time says of a profile that is not loaded and a level that is none (containerd,
 * internal/cri/sputil/apparmor_linux.go and internal/cri/server/helpers_linux.go).
 */
export function processLabels(
  pod: Pod,
  container: Container,
  readModules: ReadModules = readSecurityModules,
): ProcessLabels | undefined {
  const appArmor = appArmorLabel(pod, container, readModules)
  const seLinux = seLinuxLabel(pod, container, readModules)
  if (appArmor === undefined && seLinux === undefined) return undefined
  return {
    ...(appArmor && { appArmor }),
    ...(seLinux !== undefined && { seLinux }),
  }
}

function appArmorLabel(
  pod: Pod,
  container: Container,
  readModules: ReadModules,
): ProcessLabels['appArmor'] {
  const { type, localhostProfile: profile = '' } =
    profileOf(pod, container) ?? {}
  if (type === 'RuntimeDefault' && !isPrivileged(container)) {
    const found = defaultProfile(readModules().appArmor)
    return typeof found === 'string' ? undefined : found
  }
  if (type !== 'Localhost') return undefined
  const { appArmor } = readModules()
  if (appArmor === undefined)
    throw createError(
      'failed to generate apparmor spec opts: apparmor is not supported',
    )
  const { profiles, aaExec } = appArmor
  if (profiles?.has(profile) === false)
    throw createError(
      `failed to generate apparmor spec opts: apparmor profile not found ${profile}`,
    )
  if (aaExec === undefined)
    throw createError(
      `cannot run under the AppArmor profile ${profile}: this machine has no aa-exec (package apparmor)`,
    )
  return { aaExec, profile }
}

/**
 * The default profile of another container run-time, or why none is taken. These let nobody send a
 * signal but who is unconfined: under a profile of its own podfs could not end its containers.
 */
function defaultProfile(
  appArmor: AppArmor | undefined,
): string | NonNullable<ProcessLabels['appArmor']> {
  if (appArmor === undefined) return 'this machine has no AppArmor'
  const { profiles, ownProfile, aaExec } = appArmor
  if (profiles === undefined)
    return 'only root of this machine may see which AppArmor profiles are loaded'
  const profile = defaultProfiles.find(name => profiles.has(name))
  if (profile === undefined)
    return `none of the AppArmor profiles ${defaultProfiles.join(', ')} is loaded`
  if (ownProfile !== 'unconfined')
    return `podfs runs under the AppArmor profile ${ownProfile}, and ${profile} would not let it end them`
  if (aaExec === undefined)
    return 'this machine has no aa-exec (package apparmor)'
  return { aaExec, profile }
}

function asksForDefault(pod: Pod, container: Container): boolean {
  return profileOf(pod, container)?.type === 'RuntimeDefault'
}

/** The container's, that of its annotation, the Pod's (GetProfile, pkg/security/apparmor). */
function profileOf(
  pod: Pod,
  container: Container,
): SecurityProfile | undefined {
  return (
    container.securityContext?.appArmorProfile ??
    annotated(pod, container) ??
    pod.spec.securityContext.appArmorProfile
  )
}

function annotated(
  { metadata }: Pod,
  { name }: Container,
): SecurityProfile | undefined {
  const text = metadata.annotations.get(annotationPrefix + name)
  if (text === 'runtime/default') return { type: 'RuntimeDefault' }
  if (text === 'unconfined') return { type: 'Unconfined' }
  const local = 'localhost/'
  return text?.startsWith(local)
    ? { type: 'Localhost', localhostProfile: text.slice(local.length) }
    : undefined
}

/** What containerd takes for a level (checkSelinuxLevel). */
const levelFormat =
  /^s\d(-s\d)??(:c\d{1,4}(\.c\d{1,4})?(,c\d{1,4}(\.c\d{1,4})?)*)?$/

/** A container run-time's own label with what is asked for in its place (InitLabels, go-selinux). */
function seLinuxLabel(
  { spec }: Pod,
  container: Container,
  readModules: ReadModules,
): string | undefined {
  const options =
    container.securityContext?.seLinuxOptions ??
    spec.securityContext.seLinuxOptions
  if (options === undefined) return undefined
  if (options.level && !levelFormat.test(options.level))
    throw createError(
      `failed to init selinux options: the format of 'level' ${JSON.stringify(options.level)} is not correct`,
    )
  if (isPrivileged(container)) return undefined
  const { seLinux } = readModules()
  if (seLinux === undefined) return undefined
  const { processLabel } = seLinux
  if (processLabel === undefined)
    throw createError(
      'failed to init selinux options: the policy of this machine has no label for containers (package container-selinux)',
    )
  const [user, role, type, ...level] = processLabel.split(':')
  return [
    options.user || user,
    options.role || role,
    options.type || type,
    options.level || level.join(':'),
  ]
    .filter(Boolean)
    .join(':')
}

function containersOf({ spec }: Pod): readonly Container[] {
  const { initContainers, containers, ephemeralContainers = [] } = spec
  return [...initContainers, ...containers, ...ephemeralContainers]
}

function isPrivileged({ securityContext }: Container): boolean {
  return securityContext?.privileged === true
}
