import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { findHierarchies, type Hierarchy } from './cgroups.ts'
import { findOnHost } from './machine-tools.ts'
import { ownIdMaps } from './user-namespace.ts'

/** The cgroups in which podfs can put containers on this machine. */
export interface CgroupSupport {
  readonly hierarchies: readonly Hierarchy[]
  /** What cannot be limited or counted, why, and what to do; undefined: all of it can. */
  readonly lack?: { readonly why: string; readonly fix: string }
}

/** Looks at the machine; changes nothing. */
export function findCgroupSupport(): CgroupSupport {
  return cgroupSupport({
    hierarchies: findHierarchies(),
    isRoot: process.getuid?.() === 0 && ownIdMaps() === undefined,
    isEnvBusybox: isBusybox(findOnHost('env')),
  })
}

/** Pure. `isEnvBusybox`: it has no `-S`, with which a container's environment gets through. */
export function cgroupSupport({
  hierarchies,
  isRoot,
  isEnvBusybox,
}: {
  readonly hierarchies: readonly Hierarchy[]
  readonly isRoot: boolean
  readonly isEnvBusybox: boolean
}): CgroupSupport {
  const none = (why: string, fix: string): CgroupSupport => ({
    hierarchies: [],
    lack: { why, fix },
  })
  // What systemd delegates to a user's manager is none of what a terminal's programs may enter.
  if (!isRoot)
    return none('an ordinary user has no cgroups', 'run podfs as root')
  if (isEnvBusybox)
    return none(
      'env is busybox’s, which has no option -S',
      'install coreutils (apk add coreutils)',
    )
  if (hierarchies.length === 0)
    return none(
      'no cgroup can be made below /sys/fs/cgroup',
      'mount -o remount,rw /sys/fs/cgroup; in a container: --privileged',
    )
  const missing = ['memory', 'cpu'].filter(
    name => !hierarchies.some(({ controllers }) => controllers.includes(name)),
  )
  if (missing.length === 0) return { hierarchies }
  return {
    hierarchies,
    lack: {
      why: `there is no controller ${missing.join(' and none ')}`,
      fix: 'in a container: --cgroupns=host; on a machine see cgroup_disable in /proc/cmdline',
    },
  }
}

function isBusybox(program: string | undefined): boolean {
  return program !== undefined && basename(realpathSync(program)) === 'busybox'
}
