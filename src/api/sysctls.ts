export type SysctlNamespace = 'Net' | 'IPC'

/** With dots between its parts: where a slash comes first, dots and slashes change places. */
export function dottedSysctl(name: string): string {
  return /[./]/.exec(name)?.[0] === '/'
    ? name.replace(/[./]/g, each => (each === '.' ? '/' : '.'))
    : name
}

/**
 * The namespace that a sysctl is of, so that setting it changes nothing outside; undefined of all
 * others (component-helpers/node/util/sysctl/namespace.go).
 */
export function sysctlNamespace(name: string): SysctlNamespace | undefined {
  const dotted = dottedSysctl(name)
  if (dotted.startsWith('net.')) return 'Net'
  return /^(kernel\.(sem|shm(all|max|mni|_rmid_forced)?|msg(max|mnb|mni)?)$|fs\.mqueue\.)/.test(
    dotted,
  )
    ? 'IPC'
    : undefined
}
