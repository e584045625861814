import { readFileSync } from 'node:fs'
import path from 'node:path'
import { findHierarchies } from '../../src/linux/cgroups.ts'

/** In which podfs makes cgroups on this machine. */
export const hierarchies = findHierarchies()

/** For `skip`. */
export const needsLimits =
  !['memory', 'cpu'].every(name =>
    hierarchies.some(({ controllers }) => controllers.includes(name)),
  ) && 'needs cgroups with memory and cpu'

/** The paths of a process's cgroups that are podfs's, on this machine. */
export function cgroupsOf(pid: number): readonly string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')
  return hierarchies.flatMap(({ version, mountpoint, controllers }) => {
    const line = lines.find(line => {
      const [, names = ''] = line.split(':')
      return version === 2
        ? names === '' && line !== ''
        : names.split(',').includes(controllers[0] ?? '')
    })
    const [, , place = ''] = line?.split(':') ?? []
    return place.startsWith('/podfs/') ? [path.join(mountpoint, place)] : []
  })
}
