import { readFileSync } from 'node:fs'
import { cgroupOf, findHierarchies } from '../../src/linux/cgroups.ts'

/** In which podfs makes cgroups on this machine. */
export const hierarchies = findHierarchies()

/** For `skip`. */
export const needsLimits =
  !['memory', 'cpu'].every(name =>
    hierarchies.some(({ controllers }) => controllers.includes(name)),
  ) && 'needs cgroups with memory and cpu'

/** The paths of a process's cgroups that are podfs's, on this machine. */
export function cgroupsOf(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  return hierarchies.flatMap(hierarchy => cgroupOf(text, hierarchy) ?? [])
}
