import { chmodSync, writeFileSync } from 'node:fs'

import type { HostAlias } from '../../api/types.ts'

export interface ManagedHosts {
  readonly podIPs: readonly string[]
  readonly hostname: string
  /** Empty without a subdomain. */
  readonly domain: string
  readonly hostAliases: readonly HostAlias[]
}

/** The Pod's own /etc/hosts, to the byte (managedHostsFileContent, pkg/kubelet/kubelet_pods.go). */
export function managedHostsFileContent(hosts: ManagedHosts): string {
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
  ]
  for (const ip of hosts.podIPs) {
    lines.push(
      hosts.domain === ''
        ? `${ip}\t${hosts.hostname}`
        : `${ip}\t${hosts.hostname}.${hosts.domain}\t${hosts.hostname}`,
    )
  }
  return `${lines.join('\n')}\n${aliasBlock(hosts.hostAliases)}`
}

/**
 * With hostNetwork: the machine's file verbatim, even where it lacks its last newline
 * (nodeHostsFileContent, pkg/kubelet/kubelet_pods.go).
 */
export function hostNetworkHostsFileContent(
  hostHosts: string,
  hostAliases: readonly HostAlias[],
): string {
  const header = '# Kubernetes-managed hosts file (host network).\n'
  return header + hostHosts + aliasBlock(hostAliases)
}

function aliasBlock(aliases: readonly HostAlias[]): string {
  if (aliases.length === 0) return ''
  // The tab is there also where no name follows it.
  const entries = aliases.map(
    ({ ip, hostnames }) => `${ip}\t${hostnames.join('\t')}\n`,
  )
  return `\n# Entries added by HostAliases.\n${entries.join('')}`
}

/**
 * Keeps the inode: running containers have it bound at /etc/hosts, and must see the new
 * content as a kubelet's containers do. The mode is set apart from the umask.
 */
export function writeOwnFile(path: string, content: string): void {
  writeFileSync(path, content)
  chmodSync(path, 0o644)
}
