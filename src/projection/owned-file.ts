/**
 * Who may read a file that is the Pod's own (kubernetes pkg/volume/projected/projected.go and
 * FsUserFrom in pkg/volume/util/util.go; docs/kubernetes.md#tokens).
 */
import type { Pod } from '../api/types.ts'
import type { FileProjection } from '../writer/payload.ts'

/**
 * Readable by all, unless the Pod says whose it is: then 0600, which the writer widens to
 * 0640 for an fsGroup. Only tokens and trust bundles get an owner.
 */
export function ownedFile(
  pod: Pod,
  defaultMode: number,
): Pick<FileProjection, 'mode' | 'fsUser'> {
  const fsUser = commonRunAsUser(pod)
  const { fsGroup } = pod.spec.securityContext
  return {
    mode: fsUser === undefined && fsGroup === undefined ? defaultMode : 0o600,
    ...(fsUser === undefined ? {} : { fsUser }),
  }
}

/** The user as whom all containers run, if the Pod names one and the same for all. */
function commonRunAsUser(pod: Pod): number | undefined {
  const { containers, initContainers, securityContext } = pod.spec
  const users = new Set(
    [...initContainers, ...containers].map(
      container =>
        container.securityContext?.runAsUser ?? securityContext.runAsUser,
    ),
  )
  const [user] = users
  return users.size === 1 ? user : undefined
}
