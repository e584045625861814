import type { Pod } from '../../api/types.ts'
import { hasId, type IdMaps, type IdRange } from '../../linux/user-namespace.ts'
import type { ContainerUser } from '../sandbox/container-runtime.ts'
import { configError } from './errors.ts'

export interface UnmappedId {
  readonly fieldPath: string
  readonly message: string
}

/** Users and groups of a Pod that this user namespace does not have. Pure. */
export function unmappedIds({ spec }: Pod, maps: IdMaps): UnmappedId[] {
  const found: UnmappedId[] = []
  const look = (
    at: string,
    id: number | undefined,
    kind: 'user' | 'group',
  ): void => {
    const ranges = kind === 'user' ? maps.uids : maps.gids
    if (id !== undefined && !hasId(ranges, id))
      found.push({
        fieldPath: `spec.${at}`,
        message: `there is no ${kind} ${id}, but ${spanOf(ranges)}`,
      })
  }
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups } =
    spec.securityContext
  look('securityContext.runAsUser', runAsUser, 'user')
  look('securityContext.runAsGroup', runAsGroup, 'group')
  look('securityContext.fsGroup', fsGroup, 'group')
  for (const [i, group] of (supplementalGroups ?? []).entries())
    look(`securityContext.supplementalGroups[${i}]`, group, 'group')
  for (const list of ['initContainers', 'containers'] as const)
    for (const [i, { securityContext }] of spec[list].entries()) {
      const at = `${list}[${i}].securityContext`
      look(`${at}.runAsUser`, securityContext?.runAsUser, 'user')
      look(`${at}.runAsGroup`, securityContext?.runAsGroup, 'group')
    }
  return found
}

/** `0 to 65536`; `0 alone`. They begin with root, and have no gap (session/own-namespace.ts). */
function spanOf(ranges: readonly IdRange[]): string {
  const last = Math.max(
    ...ranges.map(({ inside, count }) => inside + count - 1),
  )
  return last === 0 ? '0 alone' : `0 to ${last}`
}

/**
 * The same of whom a container is to be, which its image may say, too. What the accounts alone give
 * the user, and is not there, is left out.
 */
export function mappedUser(
  user: ContainerUser,
  { spec }: Pod,
  maps: IdMaps,
): ContainerUser {
  const { uid, gid, supplementalGroups } = user
  const groups = [gid, ...(spec.securityContext.supplementalGroups ?? [])]
  const group = groups.find(id => !hasId(maps.gids, id))
  if (!hasId(maps.uids, uid))
    throw configError(
      `there is no user ${uid} for podfs, but ${spanOf(maps.uids)}`,
    )
  if (group !== undefined)
    throw configError(
      `there is no group ${group} for podfs, but ${spanOf(maps.gids)}`,
    )
  return {
    ...user,
    supplementalGroups: supplementalGroups.filter(id => hasId(maps.gids, id)),
  }
}
