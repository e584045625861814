import type { Pod } from '../api/types.ts'
import type { ServiceTable } from './service-table.ts'

/**
 * The names of Services, as lines of a Pod's hosts file: those with an address of their own. An alias
 * (ExternalName), and a headless Service, whose Pods come and go, have none there. Pure.
 */
export function serviceHosts(
  { metadata }: Pod,
  { services, clusterDomain }: ServiceTable,
): string {
  const lines = services.flatMap(({ ip, namespace, name }) => {
    if (ip === undefined) return []
    const short = `${name}.${namespace}`
    const names = [
      `${short}.svc.${clusterDomain}`,
      `${short}.svc`,
      short,
      ...(namespace === metadata.namespace ? [name] : []),
    ]
    return `${ip}\t${names.join('\t')}\n`
  })
  return lines.length === 0
    ? ''
    : `\n# Entries added by podfs for Services.\n${lines.join('')}`
}
