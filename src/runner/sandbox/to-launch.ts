import { join } from 'node:path'
import type { Cgroup } from '../../linux/cgroups.ts'
import { findBusybox, systemPath } from '../../linux/machine-tools.ts'
import { lackingApplets } from './busybox-applets.ts'
import type { ContainerLaunch, ContainerRoot } from './container-runtime.ts'
import { terminalType } from './exec-streams.ts'
import type { Launch } from './launch-command.ts'
import { appletsDirectory } from './root-plan.ts'

/** Its /proc and /sys are: kernel-masks.ts. */
export function isMasked({ rights }: ContainerRoot): boolean {
  return !rights.privileged && !rights.unmasked
}

/** What its program is launched with. */
export function toLaunch(
  container: ContainerLaunch,
  cgroup: Cgroup | undefined,
  filter: Launch['filter'],
): Launch {
  const { argv, user, busybox, isImagePath, rights } = container
  const { workingDir = '/' } = container
  const env = new Map(container.env)
  if (container.tty === true && !env.has('TERM')) env.set('TERM', terminalType)
  if (busybox && findBusybox() !== undefined)
    env.set('PATH', pathWithApplets(env.get('PATH'), isImagePath))
  const { capabilities, noNewPrivileges } = rights
  const { oomScoreAdjust, pidNamespaceOf, labels } = container
  return {
    argv,
    env,
    workingDir,
    capabilities,
    ...(cgroup && { cgroup: cgroup.entries }),
    ...(oomScoreAdjust !== undefined && { oomScoreAdjust }),
    ...(pidNamespaceOf !== undefined && { pidNamespaceOf }),
    masked: isMasked(container),
    ...(filter && { filter }),
    ...(labels && { labels }),
    ...(noNewPrivileges && { noNewPrivileges }),
    ...(user ? { user } : {}),
  }
}

/**
 * The applets stand for what is in a busybox image's system directories: who puts another
 * directory before those means it to come first.
 */
function pathWithApplets(
  path: string | undefined,
  isImagePath = false,
): string {
  const directories = path === undefined ? [] : path.split(':')
  const system = systemPath.split(':')
  const found = isImagePath
    ? -1
    : directories.findIndex(directory => system.includes(directory))
  const at = found === -1 ? directories.length : found
  return [
    ...directories.toSpliced(at, 0, appletsDirectory),
    join(appletsDirectory, lackingApplets),
  ].join(':')
}
