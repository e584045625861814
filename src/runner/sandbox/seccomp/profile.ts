/** A profile as container run-times read it: LinuxSeccomp of the OCI runtime specification. */
export interface SeccompProfile {
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  readonly syscalls?: readonly SyscallRule[]
}

export interface SyscallRule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  /** All of them have to hold. */
  readonly args?: readonly ArgumentRule[]
}

export interface ArgumentRule {
  readonly index: number
  readonly value: number
  /** Of SCMP_CMP_MASKED_EQ: what is left under the mask `value`. */
  readonly valueTwo?: number
  readonly op: string
}

/** Throws an Error that says what is not as it should be; what it does not know it leaves out. */
export function parseProfile(text: string): SeccompProfile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`no JSON: ${(error as Error).message}`, { cause: error })
  }
  const profile = value as Partial<SeccompProfile> | null
  if (typeof profile?.defaultAction !== 'string')
    throw new Error('it has no defaultAction')
  const { syscalls = [] } = profile
  const isRule = (rule: Partial<SyscallRule> | null): boolean =>
    Array.isArray(rule?.names) && typeof rule.action === 'string'
  if (!Array.isArray(syscalls) || !syscalls.every(isRule))
    throw new Error('syscalls must be a list, of names and an action each')
  return profile as SeccompProfile
}
