/** What a person lets the containers of this machine have of it. Plain data. */
export interface NodePolicy {
  /** Directories that they share, or all of them (`/*`): see sandbox/root-plan.ts. */
  readonly hostDirectories: readonly string[]
  /** Directories that they see in any case: where the person works. */
  readonly visible: readonly string[]
  /** Whether privileged containers run. */
  readonly privileged: 'allow' | 'refuse'
  /** Names of sysctls that are not safe, or their beginnings with `*`. */
  readonly allowedUnsafeSysctls: readonly string[]
  /** Where the seccomp profiles of type Localhost are. */
  readonly seccompProfiles: string
}
