import { join } from 'node:path'
import type {
  Container,
  Pod,
  PodSecurityContext,
  SecurityContext,
} from '../../api/types.ts'
import { configError } from './errors.ts'
import {
  allCapabilities,
  defaultCapabilities,
  type Capability,
} from '../../linux/capabilities.ts'
import type { NodePolicy } from './node-policy.ts'
import type { ContainerRights } from '../sandbox/container-runtime.ts'

/**
 * What a container's securityContext says of capabilities, on top of a container run-time's
 * default: ALL first, then what is added, then what is dropped (containerd,
 * internal/cri/opts/spec_linux_opts.go, WithCapabilities). A privileged container has them all,
 * whatever it adds and drops. What it may execute to become more it may execute, unless it is said
 * not to (AddNoNewPrivileges, pkg/securitycontext/util.go). Throws an error of the container's configuration for a name that
 * the kernel does not know.
 */
export function containerRights(
  { spec }: Pod,
  { securityContext }: Container,
  policy: Pick<NodePolicy, 'privileged' | 'seccompProfiles'>,
): ContainerRights {
  const {
    privileged = false,
    allowPrivilegeEscalation = true,
    readOnlyRootFilesystem = false,
    procMount = 'Default',
    capabilities,
  } = securityContext ?? {}
  const { add = [], drop = [] } = capabilities ?? {}
  const added = namesOf(add, 'add')
  const dropped = namesOf(drop, 'drop')
  if (privileged && policy.privileged === 'refuse')
    throw configError(
      'securityContext.privileged: podfs.yaml lets no privileged container run (privileged: refuse)',
    )
  const readOnlyRoot = readOnlyRootFilesystem
    ? ({ readOnlyRoot: true } as const)
    : {}
  if (privileged)
    return { privileged, capabilities: allCapabilities, ...readOnlyRoot }
  let given: readonly Capability[] = defaultCapabilities
  if (added.includes('ALL')) given = allCapabilities
  if (dropped.includes('ALL')) given = []
  return {
    privileged,
    capabilities: allCapabilities.filter(
      name =>
        (given.includes(name) || added.includes(name)) &&
        !dropped.includes(name),
    ),
    ...(!allowPrivilegeEscalation && { noNewPrivileges: true }),
    ...(procMount === 'Unmasked' && { unmasked: true }),
    ...seccompOf(spec.securityContext, securityContext, policy),
    ...readOnlyRoot,
  }
}

/** The container's over the Pod's; a privileged container has none (containerd, as a kubelet). */
function seccompOf(
  ofPod: PodSecurityContext,
  own: SecurityContext | undefined,
  { seccompProfiles }: Pick<NodePolicy, 'seccompProfiles'>,
): Pick<ContainerRights, 'seccomp'> {
  const { type, localhostProfile = '' } =
    own?.seccompProfile ?? ofPod.seccompProfile ?? {}
  if (type === 'RuntimeDefault') return { seccomp: type }
  return type === 'Localhost'
    ? { seccomp: { profile: join(seccompProfiles, localhostProfile) } }
    : {}
}

function namesOf(
  names: readonly string[],
  field: 'add' | 'drop',
): (Capability | 'ALL')[] {
  return names.map((text, i) => {
    const bare = text.toUpperCase().replace(/^CAP_/, '')
    const name = ['ALL' as const, ...allCapabilities].find(
      name => name === bare,
    )
    if (name === undefined)
      throw configError(
        `securityContext.capabilities.${field}[${i}]: no capability is called ${JSON.stringify(text)}`,
      )
    return name
  })
}
