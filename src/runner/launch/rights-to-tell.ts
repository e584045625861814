import type { Container, Pod } from '../../api/types.ts'
import { withoutProfile, type ReadModules } from './security-labels.ts'
import { sysctlsOf } from './sysctls.ts'

/**
 * What is said when a Pod starts: which containers are privileged, and what of its security context
 * has no effect on this machine. Each once, for all containers.
 */
export function rightsToTell(
  pod: Pod,
  {
    filters,
    ownNetwork,
    nested,
    securityModules,
  }: {
    /** The machine can hold back system calls. */
    readonly filters: boolean
    /** The Pod's network is not the machine's. */
    readonly ownNetwork: boolean
    /** podfs is root of a user namespace alone. */
    readonly nested?: boolean
    /** Absent: as they are on this machine. */
    readonly securityModules?: ReadModules
  },
): readonly string[] {
  const all = containersOf(pod)
  const privileged = all.filter(isPrivileged)
  const sharing = all.filter(({ volumeMounts }) =>
    volumeMounts.some(
      ({ mountPropagation }) => mountPropagation === 'Bidirectional',
    ),
  )
  const unfiltered = filters ? [] : filteredContainers(pod)
  const unconfined = withoutProfile(pod, securityModules)
  const sysctls = ownNetwork ? [] : sysctlsOf(pod, 'Net')
  return [
    ...about(privileged, names =>
      nested
        ? `privileged: ${names} can do on this machine what you can, and no more`
        : `privileged: ${names} can do on this machine what root can, with all of its devices`,
    ),
    ...about(
      unfiltered,
      names =>
        `seccompProfile is not enforced for ${names}: this machine's setpriv has no --seccomp-filter (util-linux 2.40), and there is no perl`,
    ),
    ...about(
      unconfined.containers,
      names =>
        `appArmorProfile: RuntimeDefault has no effect on ${names}: ${unconfined.why}`,
    ),
    ...about(
      sharing,
      names =>
        `mountPropagation: Bidirectional is as HostToContainer here: nobody else sees what is mounted by ${names}`,
    ),
    ...about(
      sysctls,
      names =>
        `the network is the machine's, and these sysctls of it stay as they are: ${names}`,
    ),
  ]
}

/** Those that are not to make every system call. */
export function filteredContainers(pod: Pod): readonly Container[] {
  const { seccompProfile } = pod.spec.securityContext
  return containersOf(pod).filter(container => {
    const { type = 'Unconfined' } =
      container.securityContext?.seccompProfile ?? seccompProfile ?? {}
    return type !== 'Unconfined' && !isPrivileged(container)
  })
}

function containersOf({ spec }: Pod): readonly Container[] {
  return [...spec.initContainers, ...spec.containers]
}

function isPrivileged({ securityContext }: Container): boolean {
  return securityContext?.privileged === true
}

function about(
  those: readonly { readonly name: string }[],
  text: (names: string) => string,
): string[] {
  const names = those.map(({ name }) => name).join(', ')
  return names === '' ? [] : [text(names)]
}
