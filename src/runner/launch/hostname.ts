import type { Pod } from '../../api/types.ts'
import { RunnerError } from './errors.ts'

export const defaultClusterDomain = 'cluster.local'

const maxLabelLength = 63
/** What the kernel takes (sethostname(2)). */
const maxKernelLength = 64

export interface PodHostname {
  /** The short name, or hostnameOverride, as the Pod's hosts file gives it. */
  readonly hostname: string
  /** `SUBDOMAIN.NAMESPACE.svc.CLUSTERDOMAIN`; empty without a subdomain. */
  readonly domain: string
  /** What `hostname` prints, /etc/hostname holds and HOSTNAME says; absent: the machine's. */
  readonly kernelHostname?: string
}

/**
 * A Pod's names (GeneratePodHostNameAndDomain, pkg/kubelet/kubelet_pods.go;
 * docs/kubernetes.md#hostname-and-hosts-file). Throws when setHostnameAsFQDN asks for more than
 * the kernel takes: such a Pod stays Pending.
 */
export function podHostname(
  pod: Pod,
  clusterDomain = defaultClusterDomain,
): PodHostname {
  const { spec, metadata } = pod
  if (spec.hostnameOverride !== undefined) {
    const hostname = truncateHostname(spec.hostnameOverride)
    return { hostname, domain: '', kernelHostname: hostname }
  }
  const hostname = truncateHostname(spec.hostname || metadata.name)
  const domain = spec.subdomain
    ? `${spec.subdomain}.${metadata.namespace}.svc.${clusterDomain}`
    : ''
  if (spec.hostNetwork) return { hostname, domain }
  if (!spec.setHostnameAsFQDN || domain === '') {
    return { hostname, domain, kernelHostname: hostname }
  }
  const fqdn = `${hostname}.${domain}`
  if (fqdn.length > maxKernelLength) {
    throw new RunnerError(
      'HOSTNAME_TOO_LONG',
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${fqdn} is too long ` +
        `(${maxKernelLength} characters is the max, ${fqdn.length} characters requested)`,
    )
  }
  return { hostname, domain, kernelHostname: fqdn }
}

/** A label may not end in `-` or `.`, and cutting at 63 may leave one there. */
function truncateHostname(name: string): string {
  if (name.length <= maxLabelLength) return name
  return name.slice(0, maxLabelLength).replace(/[-.]+$/, '')
}
