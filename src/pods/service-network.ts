import { readFileSync } from 'node:fs'
import { parseResolvConf } from '../linux/resolv-conf.ts'
import {
  chooseServiceSubnet,
  routedNets,
  wantedAddress,
} from '../runner/sandbox/network/subnets.ts'
import type { SessionDirectory } from '../session/runtime-directory.ts'
import { freeServiceAddresses, serviceLabel } from '../session/service-label.ts'
import { textOf } from '../util/text-of.ts'
import { PodAddresses } from './pod-addresses.ts'

/** What of Services depends on the network that the Pods have. */
export interface ServiceNetwork {
  /** An address at which this machine can listen, and which the Pods reach; the same each time. */
  addressOf(namespace: string, name: string): Promise<string>
  nameserver(): Promise<string>
  /** See ServiceTable; absent: this machine has all of these addresses. */
  label?(): string
  /** Pods have networks of their own, unless they ask for the machine's. */
  readonly hasPodNetworks: boolean
  /** Whether names are to be answered also where the input has no Service. */
  needsNames(): boolean
  /** Takes away what is left of their addresses. */
  free(): Promise<void>
}

/** Network `host`: loopback addresses, as the Pods have them. */
export function hostServiceNetwork(addresses: PodAddresses): ServiceNetwork {
  return {
    addressOf: (namespace, name) =>
      addresses.claimFor('service', namespace, name),
    nameserver: () => addresses.claimFor('dns', '', ''),
    hasPodNetworks: false,
    needsNames: () => false,
    free: async () => undefined,
  }
}

/**
 * Network `pod`: addresses that podfs gives this machine, of a subnet that leads nowhere else. A Pod
 * gets there as it gets to any other address of the machine. `subnet`: as podfs.yaml has it, '' for
 * one that is free.
 */
export function podServiceNetwork(
  runtime: string,
  session: SessionDirectory,
  subnet: string,
): ServiceNetwork {
  const label = () =>
    serviceLabel(session.directory, () => subnet || freeSubnet())
  const addresses = new PodAddresses(runtime, session, (...wanted) =>
    addressIn(label().subnet, ...wanted),
  )
  return {
    ...hostServiceNetwork(addresses),
    label: () => label().label,
    hasPodNetworks: true,
    // A resolver at a loopback address of the machine is not in reach from a Pod.
    needsNames: () => {
      const { nameservers } = parseResolvConf(textOf('/etc/resolv.conf') ?? '')
      return (
        nameservers.length > 0 &&
        nameservers.every(ip => ip.startsWith('127.') || ip === '::1')
      )
    },
    free: () => freeServiceAddresses(session.directory),
  }
}

function freeSubnet(): string {
  const routes = readFileSync('/proc/self/net/route', 'utf8')
  const subnet = chooseServiceSubnet(routedNets(routes, ''))
  if (subnet === undefined)
    throw new Error(
      'no private subnet is left for Services: this machine has routes to all of them; serviceSubnet in podfs.yaml names one',
    )
  return subnet
}

/** So often another address is looked for when one is taken. */
const mostAttempts = 10_000

/** Throws an Error when all are taken. */
function addressIn(
  subnet: string,
  namespace: string,
  name: string,
  taken: ReadonlySet<string>,
): string {
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const ip = wantedAddress({ subnet }, namespace, name, attempt)
    if (ip !== undefined && !taken.has(ip)) return ip
  }
  throw new Error(`no address is left in serviceSubnet ${subnet}`)
}
