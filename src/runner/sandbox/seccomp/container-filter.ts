import { readFileSync } from 'node:fs'
import type { ContainerRights } from '../container-runtime.ts'
import { defaultProfile } from './default-profile.ts'
import { compileFilter } from './filter.ts'
import { parseProfile } from './profile.ts'
import { isFilteredArch } from './syscall-numbers.ts'

/** Throws an Error that names the profile when it cannot be used. */
export function containerFilter({
  seccomp,
  capabilities,
}: ContainerRights): Buffer | undefined {
  const { arch } = process
  if (seccomp === undefined || !isFilteredArch(arch)) return undefined
  if (seccomp === 'RuntimeDefault')
    return compileFilter(defaultProfile(capabilities), arch)
  const { profile } = seccomp
  try {
    return compileFilter(parseProfile(readFileSync(profile, 'utf8')), arch)
  } catch (error) {
    // containerd's words.
    throw new Error(
      `cannot load seccomp profile ${JSON.stringify(profile)}: ${(error as Error).message}`,
      { cause: error },
    )
  }
}
