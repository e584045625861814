import { textOf } from '../util/text-of.ts'

/** The sysctl that says so; each network namespace has its own (ip-sysctl). */
export const firstUnprivilegedPortSysctl = 'net.ipv4.ip_unprivileged_port_start'

/** The first port at which who has no CAP_NET_BIND_SERVICE there may listen. */
export function firstUnprivilegedPort(): number {
  const path = firstUnprivilegedPortSysctl.replaceAll('.', '/')
  return Number(textOf(`/proc/sys/${path}`) ?? 1024)
}
