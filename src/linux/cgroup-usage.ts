import { textOf } from '../util/text-of.ts'
import { join } from 'node:path'
import { cgroupOf, valueIn, type Hierarchy } from './cgroups.ts'

/** What a cgroup has used up to now, and uses now. */
export interface CgroupUsage {
  readonly cpuMs: number
  /**
   * The working set, as cAdvisor counts it for `kubectl top`: without those pages of files that the
   * kernel would take back first.
   */
  readonly memoryBytes: number
}

/**
 * Of the cgroup that podfs has made for a process; undefined where it has made none, or where it is
 * not counted. Sources: Documentation/admin-guide/cgroup-v1/cpuacct.rst and memory.rst,
 * cgroup-v2.rst.
 */
export function cgroupUsage(
  pid: number,
  hierarchies: readonly Hierarchy[],
): CgroupUsage | undefined {
  let cpuMs: number | undefined
  let memoryBytes: number | undefined
  const text = textOf(`/proc/${pid}/cgroup`) ?? ''
  for (const hierarchy of hierarchies) {
    const { version, controllers } = hierarchy
    const directory = cgroupOf(text, hierarchy)
    if (directory === undefined) continue
    const file = (name: string): string => join(directory, name)
    if (version === 2) {
      cpuMs ??= scaled(valueIn(file('cpu.stat'), 'usage_usec'), 1e-3)
      memoryBytes ??= workingSet(
        textOf(file('memory.current')),
        valueIn(file('memory.stat'), 'inactive_file'),
      )
    }
    if (version === 1 && controllers.includes('cpuacct'))
      cpuMs ??= scaled(textOf(file('cpuacct.usage')), 1e-6)
    if (version === 1 && controllers.includes('memory'))
      memoryBytes ??= workingSet(
        textOf(file('memory.usage_in_bytes')),
        valueIn(file('memory.stat'), 'total_inactive_file'),
      )
  }
  return cpuMs === undefined || memoryBytes === undefined
    ? undefined
    : { cpuMs, memoryBytes }
}

function workingSet(
  used: string | undefined,
  inactive: string | undefined,
): number | undefined {
  return used === undefined
    ? undefined
    : Math.max(Number(used) - Number(inactive ?? 0), 0)
}

function scaled(text: string | undefined, factor: number): number | undefined {
  return text === undefined ? undefined : Number(text) * factor
}
