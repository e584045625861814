import type { Pod, PodDNSConfig, PodSpec } from '../../api/types.ts'
import { parseResolvConf, type ResolvConf } from '../../linux/resolv-conf.ts'

/* pkg/apis/core/validation/validation.go: a resolver reads no more. */
const mostNameservers = 3
const mostSearches = 32
const longestSearches = 2048

export interface ResolvConfSources {
  readonly clusterDomain: string
  /** Where the names of Services are known; absent: nowhere. */
  readonly nameserver: string | undefined
  /** The machine's own resolv.conf; asked for where it counts. */
  readonly machine: () => string
}

/**
 * The resolv.conf of a Pod's containers (GetPodDNS, pkg/kubelet/network/dns/dns.go), as a container
 * run-time writes it. Undefined: the machine's, byte by byte. Without a server for Services, where
 * the input has none, ClusterFirst is the machine's, too.
 */
export function podResolvConf(
  { spec, metadata }: Pod,
  { clusterDomain, nameserver, machine }: ResolvConfSources,
): string | undefined {
  const { dnsPolicy, dnsConfig } = spec
  if (dnsPolicy === 'None') return formatted(withConfig(empty, dnsConfig))
  if (nameserver === undefined || !isClusterFirst(spec))
    return dnsConfig === undefined
      ? undefined
      : formatted(withConfig(parseResolvConf(machine()), dnsConfig))
  const services = `svc.${clusterDomain}`
  const own = [`${metadata.namespace}.${services}`, services, clusterDomain]
  const { searches } = parseResolvConf(machine())
  return formatted(
    withConfig(
      {
        nameservers: [nameserver],
        searches: [...new Set([...own, ...searches])],
        options: ['ndots:5'],
      },
      dnsConfig,
    ),
  )
}

/** Whether the Pod's names are the cluster's. */
export function isClusterFirst({
  dnsPolicy = 'ClusterFirst',
  hostNetwork,
}: PodSpec): boolean {
  return (
    dnsPolicy === 'ClusterFirstWithHostNet' ||
    (dnsPolicy === 'ClusterFirst' && !hostNetwork)
  )
}

const empty: ResolvConf = { nameservers: [], searches: [], options: [] }

/** appendDNSConfig: an option takes the place of one of the same name. */
function withConfig(
  { nameservers, searches, options }: ResolvConf,
  config: PodDNSConfig = {},
): ResolvConf {
  const named = new Map(
    options.map(option => {
      const [name = '', ...value] = option.split(':')
      return [name, value.join(':')]
    }),
  )
  for (const { name = '', value = '' } of config.options ?? [])
    named.set(name, value)
  return {
    nameservers: [...new Set([...nameservers, ...(config.nameservers ?? [])])],
    searches: [...new Set([...searches, ...(config.searches ?? [])])],
    options: [...named].map(([name, value]) =>
      value === '' ? name : `${name}:${value}`,
    ),
  }
}

function formatted({ nameservers, searches, options }: ResolvConf): string {
  const fitting: string[] = []
  for (const search of searches.slice(0, mostSearches))
    if ([...fitting, search].join(' ').length <= longestSearches)
      fitting.push(search)
  return [
    ...(fitting.length > 0 ? [`search ${fitting.join(' ')}\n`] : []),
    ...nameservers
      .slice(0, mostNameservers)
      .map(server => `nameserver ${server}\n`),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('')
}
