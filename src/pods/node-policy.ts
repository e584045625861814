import { statSync } from 'node:fs'
import path from 'node:path'
import type { SettingsFor } from '../config/settings.ts'
import type { NodePolicy } from '../runner/launch/node-policy.ts'

/** The settings that a NodePolicy is made of. */
type PolicySetting = 'allowedUnsafeSysctls' | 'hostDirectories' | 'privileged'

/**
 * What the settings say, for a podfs that keeps what it has in `state` (places.ts), was started in the directory `cwd` and reads `inputs`,
 * files and directories: a Pod may run what lies beside them.
 */
export function nodePolicy(
  settings: SettingsFor<PolicySetting>,
  state: string,
  cwd: string,
  inputs: readonly string[],
): NodePolicy {
  const visible = [cwd, ...inputs.flatMap(directoryOf)]
  const { allowedUnsafeSysctls, hostDirectories, privileged } = settings
  return {
    allowedUnsafeSysctls,
    hostDirectories,
    privileged,
    seccompProfiles: path.join(state, 'seccomp'),
    visible: [...new Set(visible)],
  }
}

/** None of a pipe, and of what is away or on another machine. */
function directoryOf(file: string): string[] {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats?.isDirectory()) return [path.resolve(file)]
  return stats?.isFile() ? [path.dirname(path.resolve(file))] : []
}
