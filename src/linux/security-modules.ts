import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findOnHost } from './machine-tools.ts'
import { textOf } from '../util/text-of.ts'

/** The kernel's security modules that label processes. Plain data. */
export interface SecurityModules {
  /** Absent: AppArmor is not enabled. */
  readonly appArmor?: AppArmor
  /** Absent: SELinux is not enabled. */
  readonly seLinux?: SELinux
}

export interface AppArmor {
  /** The profiles that are loaded; absent: only root of the machine may see them. */
  readonly profiles?: ReadonlySet<string>
  /** What podfs itself runs under. */
  readonly ownProfile: string
  /** aa-exec(1), of AppArmor's own package; absent: it is not there. */
  readonly aaExec?: string
}

export interface SELinux {
  /** The label of a container's processes (lxc_contexts of the policy); absent: it names none. */
  readonly processLabel?: string
}

/**
 * What this machine has. `root`: where its /sys, /proc and /etc are. Whether AppArmor is enabled is
 * asked as a container run-time asks (runc, libcontainer/apparmor); SELinux as its library does.
 */
export function readSecurityModules(root = '/'): SecurityModules {
  const at = (path: string): string => join(root, path)
  const enabled = textOf(at('sys/module/apparmor/parameters/enabled'))
  return {
    ...(enabled?.startsWith('Y') && { appArmor: readAppArmor(at) }),
    ...(existsSync(at('sys/fs/selinux/enforce')) && {
      seLinux: readSELinux(at),
    }),
  }
}

function readAppArmor(at: (path: string) => string): AppArmor {
  const profiles = textOf(at('sys/kernel/security/apparmor/profiles'))
  // Linux 5.8 has a directory for each module; before, there is room for one only.
  const own =
    textOf(at('proc/self/attr/apparmor/current')) ??
    textOf(at('proc/self/attr/current')) ??
    ''
  const aaExec = findOnHost('aa-exec')
  return {
    ...(profiles !== undefined && {
      profiles: new Set(profiles.split('\n').flatMap(nameOf)),
    }),
    ownProfile: nameOf(own)[0] ?? 'unconfined',
    ...(aaExec !== undefined && { aaExec }),
  }
}

/** `NAME (MODE)`, and `unconfined` has no mode. */
function nameOf(line: string): string[] {
  const name = line.replaceAll(/\0|\n/g, '').replace(/ \(\w+\)$/, '')
  return name === '' ? [] : [name]
}

function readSELinux(at: (path: string) => string): SELinux {
  const config = textOf(at('etc/selinux/config')) ?? ''
  const policy = /^\s*SELINUXTYPE=\s*(\S+)/m.exec(config)?.[1] ?? 'targeted'
  const contexts = textOf(at(`etc/selinux/${policy}/contexts/lxc_contexts`))
  const processLabel = /^\s*process\s*=\s*"?([^"\s]+)/m.exec(
    contexts ?? '',
  )?.[1]
  return processLabel === undefined ? {} : { processLabel }
}
