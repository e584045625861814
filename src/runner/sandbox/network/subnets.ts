import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { NetworkList } from './network-list.ts'

/** A net of IPv4 addresses; both are numbers of 32 bits. */
interface Net {
  readonly base: number
  readonly bits: number
}

/** `10.91.0.0/16`; undefined for what is none. */
function parseNet(text: string): Net | undefined {
  const [, ip = '', bits = ''] = /^([\d.]+)\/(\d+)$/.exec(text) ?? []
  if (!isIPv4(ip) || Number(bits) > 32) return undefined
  const size = 2 ** (32 - Number(bits))
  return {
    base: Math.floor(numberOf(ip) / size) * size,
    bits: Number(bits),
  }
}

function numberOf(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map(shift => (number >>> shift) & 255).join('.')
}

function overlap(one: Net, other: Net): boolean {
  const size = 2 ** (32 - Math.min(one.bits, other.bits))
  return Math.floor(one.base / size) === Math.floor(other.base / size)
}

/**
 * The nets to which /proc/net/route (fs/proc of the kernel: net/ipv4/fib_trie.c, fib_route_seq_show)
 * has a route, but for those of one interface. What covers half of all addresses is a default
 * route, as a VPN writes it.
 */
export function routedNets(text: string, except: string): readonly string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const fields = line.trim().split(/\s+/)
      const [name = '', destination = ''] = fields
      const mask = fields[7]
      if (mask === undefined || name === except) return []
      const bits = swapped(mask).toString(2).replaceAll('0', '').length
      return bits <= 1 ? [] : [`${addressOf(swapped(destination))}/${bits}`]
    })
}

/** Eight hexadecimal digits, in the machine's order of bytes: the lowest one first. */
function swapped(hex: string): number {
  return Buffer.from(hex, 'hex').readUInt32LE()
}

/**
 * A subnet for Pods that is part of none of `routed` and has none of them in it, the same for as
 * long as these are; undefined when there is none. Those that other software takes by default
 * (kubeadm's Services, flannel, Docker, podman) come last or not at all.
 */
export function chooseSubnet(routed: readonly string[]): string | undefined {
  return firstFree(
    [
      ...[...range(113, 150), ...range(180, 240)].map(n => `10.${n}.0.0/16`),
      ...range(25, 31).map(n => `172.${n}.0.0/16`),
      ...range(200, 250).map(n => `192.168.${n}.0/24`),
    ],
    routed,
  )
}

/** The same for Services: none of those above, and as few others' (10.96.0.0/12, 10.43.0.0/16). */
export function chooseServiceSubnet(
  routed: readonly string[],
): string | undefined {
  return firstFree(
    [
      ...range(241, 254).map(n => `10.${n}.0.0/16`),
      ...range(23, 24).map(n => `172.${n}.0.0/16`),
      ...range(190, 199).map(n => `192.168.${n}.0/24`),
    ],
    routed,
  )
}

function firstFree(
  candidates: readonly string[],
  routed: readonly string[],
): string | undefined {
  const taken = routed.flatMap(text => parseNet(text) ?? [])
  return candidates.find(text => {
    const net = parseNet(text)
    return net !== undefined && !taken.some(other => overlap(net, other))
  })
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

interface Range {
  readonly subnet: string
  readonly rangeStart?: string
  readonly rangeEnd?: string
  readonly gateway?: string
}

/**
 * The first range of IPv4 addresses that host-local gives addresses from, and where it writes
 * them down (plugins/ipam/host-local of containernetworking/plugins); undefined where another
 * plugin does.
 */
export function hostLocalRange(
  list: NetworkList,
): { readonly range: Range; readonly store: string } | undefined {
  for (const { ipam } of list.plugins) {
    if (ipam?.['type'] !== 'host-local') continue
    const { ranges = [], dataDir = '/var/lib/cni/networks' } = ipam as {
      ranges?: readonly (readonly Range[])[]
      dataDir?: string
    }
    const range = [...ranges.flat(), ipam as unknown as Range].find(
      ({ subnet }) => typeof subnet === 'string' && parseNet(subnet),
    )
    if (range !== undefined) return { range, store: `${dataDir}/${list.name}` }
  }
  return undefined
}

/**
 * The address that a Pod is to have, the same for its namespace and name; of several that want
 * the same one each has others to ask for. Never the net's first (its own), its gateway's or its
 * last one (everybody's).
 */
export function wantedAddress(
  { subnet, rangeStart, rangeEnd, gateway }: Range,
  namespace: string,
  name: string,
  attempt: number,
): string | undefined {
  const net = parseNet(subnet)
  if (net === undefined) return undefined
  const last = net.base + 2 ** (32 - net.bits) - 1
  const from = rangeStart === undefined ? net.base + 2 : numberOf(rangeStart)
  const to = rangeEnd === undefined ? last - 1 : numberOf(rangeEnd)
  if (to < from) return undefined
  const digest = createHash('sha256')
    .update(JSON.stringify([namespace, name, attempt]))
    .digest()
  const number = from + (digest.readUInt32BE() % (to - from + 1))
  const isTaken =
    number === (gateway === undefined ? net.base + 1 : numberOf(gateway))
  return isTaken ? undefined : addressOf(number)
}
