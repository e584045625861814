import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { findHierarchies, type Hierarchy } from './cgroups.ts'
import { findOnHost } from './machine-tools.ts'
import { isRootOfMachine, outerUid } from './user-namespace.ts'
import { textOf } from '../util/text-of.ts'

/** The cgroups in which podfs can put containers on this machine. */
export interface CgroupSupport {
  readonly hierarchies: readonly Hierarchy[]
  /** What cannot be limited or counted, why, and what to do; undefined: all of it can. */
  readonly lack?: { readonly why: string; readonly fix: string }
}

/** Looks at the machine; changes nothing. */
export function findCgroupSupport(): CgroupSupport {
  const isRoot = isRootOfMachine()
  return cgroupSupport({
    hierarchies: findHierarchies(),
    isRoot,
    managed: isRoot ? undefined : controllersOfManager(),
    isEnvBusybox: isBusybox(findOnHost('env')),
  })
}

/** Pure. */
export function cgroupSupport({
  hierarchies,
  isRoot,
  managed,
  isEnvBusybox,
}: {
  readonly hierarchies: readonly Hierarchy[]
  readonly isRoot: boolean
  /** What an ordinary user's systemd can give away; undefined: none runs, with cgroups of v2. */
  readonly managed: readonly string[] | undefined
  /** It has no `-S`, with which a container's environment gets through. */
  readonly isEnvBusybox: boolean
}): CgroupSupport {
  const lacking = (why: string, fix: string): CgroupSupport => ({
    hierarchies,
    lack: { why, fix: isRoot ? fix : delegating(managed) },
  })
  if (isEnvBusybox)
    return {
      hierarchies: [],
      lack: {
        why: 'env is busybox’s, which has no option -S',
        fix: 'install coreutils (apk add coreutils)',
      },
    }
  if (hierarchies.length === 0)
    return lacking(
      isRoot
        ? 'no cgroup can be made below /sys/fs/cgroup'
        : 'no cgroup is delegated to this user here',
      'mount -o remount,rw /sys/fs/cgroup; in a container: --privileged',
    )
  const missing = missingOf(hierarchies.flatMap(each => each.controllers))
  if (missing.length === 0) return { hierarchies }
  return lacking(
    `there is no controller ${missing.join(' and none ')}`,
    'in a container: --cgroupns=host; on a machine see cgroup_disable in /proc/cmdline',
  )
}

function missingOf(controllers: readonly string[]): string[] {
  return ['memory', 'cpu'].filter(name => !controllers.includes(name))
}

/** systemd.resource-control(5), Delegate=: of a scope by its user's manager, of that by root. */
function delegating(managed: readonly string[] | undefined): string {
  if (managed === undefined) return 'run podfs as root'
  return missingOf(managed).length === 0
    ? 'systemd-run --user --scope -p Delegate=yes podfs ...'
    : "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=yes\\n' | sudo tee /etc/systemd/system/user@.service.d/podfs.conf; then log in anew"
}

/** Of `systemd --user`, where cgroups are of v2. */
function controllersOfManager(): readonly string[] | undefined {
  const uid = outerUid() ?? process.getuid?.()
  const unit = `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service`
  return textOf(`${unit}/cgroup.controllers`)?.trim().split(' ')
}

function isBusybox(program: string | undefined): boolean {
  return program !== undefined && basename(realpathSync(program)) === 'busybox'
}
