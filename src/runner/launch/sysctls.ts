import { dottedSysctl, sysctlNamespace } from '../../api/sysctls.ts'
import type { Pod, Sysctl } from '../../api/types.ts'

/**
 * What concerns nobody but the Pod that sets it (pkg/kubelet/sysctl/safe_sysctls.go; kernels as
 * old as those that have not all of them cannot run podfs).
 */
const safe: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
])

/**
 * Why a kubelet refuses the Pod, in its words; undefined when it does not. `allowedUnsafe`: names,
 * and beginnings of names that end in `*` (pkg/kubelet/sysctl/allowlist.go). Those of namespaces
 * that the Pod does not have are the API server's to refuse.
 */
export function forbiddenSysctl(
  { spec }: Pod,
  allowedUnsafe: readonly string[],
): string | undefined {
  const allowed = allowedUnsafe.map(dottedSysctl)
  const isAllowed = (name: string): boolean =>
    safe.has(name) ||
    (sysctlNamespace(name) !== undefined &&
      allowed.some(pattern =>
        pattern.endsWith('*')
          ? name.startsWith(pattern.slice(0, -1))
          : name === pattern,
      ))
  const refused = (spec.securityContext.sysctls ?? []).find(
    ({ name = '' }) => !isAllowed(dottedSysctl(name)),
  )
  return refused === undefined
    ? undefined
    : `forbidden sysctl: "${dottedSysctl(refused.name ?? '')}" not allowlisted`
}

/** Those of a namespace, with dotted names. */
export function sysctlsOf(
  { spec }: Pod,
  namespace: 'Net' | 'IPC',
): readonly Required<Sysctl>[] {
  return (spec.securityContext.sysctls ?? [])
    .map(({ name = '', value = '' }) => ({ name: dottedSysctl(name), value }))
    .filter(({ name }) => sysctlNamespace(name) === namespace)
}
