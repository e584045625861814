import type { FindingList } from '../decode/finding-list.ts'
import { invalid } from '../field-errors.ts'
import type { PodSecurityContext } from '../types.ts'

const limit = 2 ** 31 - 1
const range = `must be between 0 and ${limit}, inclusive`

/** User and group ids of a Pod's or a container's securityContext. */
export function validateIds(
  context: PodSecurityContext | undefined,
  path: string,
  findings: FindingList,
): void {
  const check = (id: number | undefined, fieldPath: string) => {
    if (id !== undefined && (id < 0 || id > limit)) {
      findings.reject(fieldPath, invalid(id, range))
    }
  }
  for (const field of ['runAsUser', 'runAsGroup', 'fsGroup'] as const) {
    check(context?.[field], `${path}.${field}`)
  }
  for (const [i, gid] of (context?.supplementalGroups ?? []).entries()) {
    check(gid, `${path}.supplementalGroups[${i}]`)
  }
}
