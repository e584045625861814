import path from 'node:path'
import { chooseSubnet } from '../../runner/sandbox/network/subnets.ts'

/** Between the network namespace of an ordinary user's podfs and the machine. */
export interface GatewayNet {
  readonly address: string
  readonly bits: number
  readonly gateway: string
  /** Whatever the machine's name servers are. */
  readonly nameserver: string
}

/** Of the nets that the machine has no route to; throws an Error where there is none. Pure. */
export function gatewayNet(routes: readonly string[]): GatewayNet {
  const subnet = chooseSubnet(routes)
  if (subnet === undefined)
    throw new Error('no private subnet is left: this machine has routes to all')
  const address = (last: number): string =>
    subnet.replace(/\d+\/\d+$/, String(last))
  return {
    address: address(2),
    bits: 24,
    gateway: address(1),
    nameserver: address(3),
  }
}

/** /etc/resolv.conf as it is outside. */
export function machineFile(directory: string): string {
  return path.join(directory, 'machine-resolv.conf')
}

/** As it is inside; absent: the same. */
export function ownFile(directory: string): string {
  return path.join(directory, 'resolv.conf')
}
