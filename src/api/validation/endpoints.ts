import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { FindingList } from '../decode/finding-list.ts'
import {
  duplicate,
  invalid,
  required,
  tooMany,
  unsupported,
} from '../field-errors.ts'
import type { ShownObject } from '../types.ts'
import { validateMetadata } from './metadata.ts'
import { dns1123Label, dns1123Subdomain, validPortNumber } from './names.ts'

interface Port {
  readonly name?: string
  readonly protocol: string
  readonly port?: number
}

interface SliceFields {
  readonly addressType?: string
  readonly endpoints?: readonly {
    readonly addresses?: readonly string[]
    readonly hostname?: string
  }[]
  readonly ports?: readonly Port[]
}

interface Address {
  readonly ip?: string
  readonly hostname?: string
}

interface EndpointsFields {
  readonly subsets?: readonly {
    readonly addresses?: readonly Address[]
    readonly notReadyAddresses?: readonly Address[]
    readonly ports?: readonly Port[]
  }[]
}

const mostEndpoints = 1000
const mostAddresses = 100
const protocols = ['SCTP', 'TCP', 'UDP']

/** ValidateEndpointSlice, pkg/apis/discovery/validation/validation.go of v1.34. */
export function validateEndpointSlice(
  { metadata, spec }: ShownObject,
  findings: FindingList,
): void {
  validateMetadata(metadata, findings)
  const { addressType, endpoints = [], ports = [] } = spec as SliceFields
  if (addressType === undefined || addressType === '')
    findings.reject('addressType', required())
  if (endpoints.length > mostEndpoints)
    findings.reject('endpoints', tooMany(endpoints.length, mostEndpoints))
  for (const [i, { addresses = [], hostname }] of endpoints.entries()) {
    const path = `endpoints[${i}]`
    if (addresses.length === 0)
      findings.reject(
        `${path}.addresses`,
        required('must contain at least 1 address'),
      )
    if (addresses.length > mostAddresses)
      findings.reject(
        `${path}.addresses`,
        tooMany(addresses.length, mostAddresses),
      )
    for (const [j, address] of addresses.entries())
      findings.rejectEach(
        `${path}.addresses[${j}]`,
        problemsOfAddress(addressType, address),
        problem => invalid(address, problem),
      )
    validateHostname(hostname, `${path}.hostname`, findings)
  }
  validatePorts(ports, 'ports', findings)
}

/** ValidateEndpoints, pkg/apis/core/validation/validation.go of v1.34. */
export function validateEndpoints(
  { metadata, spec }: ShownObject,
  findings: FindingList,
): void {
  validateMetadata(metadata, findings)
  for (const [i, subset] of ((spec as EndpointsFields).subsets ?? []).entries())
    validateSubset(subset, `subsets[${i}]`, findings)
}

function validateSubset(
  {
    addresses = [],
    notReadyAddresses = [],
    ports = [],
  }: NonNullable<EndpointsFields['subsets']>[number],
  path: string,
  findings: FindingList,
): void {
  if (addresses.length + notReadyAddresses.length === 0)
    findings.reject(
      path,
      required('must specify `addresses` or `notReadyAddresses`'),
    )
  for (const [key, list] of Object.entries({ addresses, notReadyAddresses }))
    for (const [i, { ip = '', hostname }] of list.entries()) {
      const at = `${path}.${key}[${i}]`
      findings.rejectEach(`${at}.ip`, problemsOfIP(ip), problem =>
        invalid(ip, problem),
      )
      validateHostname(hostname, `${at}.hostname`, findings)
    }
  validatePorts(ports, `${path}.ports`, findings)
  if (ports.length > 1)
    for (const [i, { name = '' }] of ports.entries())
      if (name === '') findings.reject(`${path}.ports[${i}].name`, required())
}

function validateHostname(
  hostname: string | undefined,
  path: string,
  findings: FindingList,
): void {
  if (hostname === undefined || hostname === '') return
  findings.rejectEach(path, dns1123Label(hostname), problem =>
    invalid(hostname, problem),
  )
}

function validatePorts(
  ports: readonly Port[],
  path: string,
  findings: FindingList,
): void {
  const names = new Set<string>()
  for (const [i, { name = '', protocol, port }] of ports.entries()) {
    const at = `${path}[${i}]`
    if (names.has(name)) findings.reject(`${at}.name`, duplicate(name))
    names.add(name)
    if (name !== '')
      findings.rejectEach(`${at}.name`, dns1123Label(name), problem =>
        invalid(name, problem),
      )
    if (port !== undefined)
      findings.rejectEach(`${at}.port`, validPortNumber(port), problem =>
        invalid(port, problem),
      )
    if (!protocols.includes(protocol))
      findings.reject(`${at}.protocol`, unsupported(protocol, protocols))
  }
}

function problemsOfAddress(type: string | undefined, text: string): string[] {
  if (type === 'FQDN') return dns1123Subdomain(text)
  if (type === 'IPv4' && !isIPv4(text)) return ['must be a valid IPv4 address']
  if (type === 'IPv6' && !isIPv6(text)) return ['must be a valid IPv6 address']
  return problemsOfIP(text)
}

/** ValidateEndpointIP. */
function problemsOfIP(text: string): string[] {
  const family = isIPv4(text) ? 'ipv4' : isIPv6(text) ? 'ipv6' : undefined
  if (family === undefined)
    return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']
  return special
    .filter(({ nets }) => nets.check(text, family))
    .map(({ problem }) => problem)
}

const special = [
  {
    problem: 'may not be unspecified (0.0.0.0 or ::)',
    of: ['0.0.0.0/32', '::/128'],
  },
  {
    problem: 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
    of: ['127.0.0.0/8', '::1/128'],
  },
  {
    problem: 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    of: ['169.254.0.0/16', 'fe80::/10'],
  },
  {
    problem:
      'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    of: ['224.0.0.0/24', 'ff02::/10'],
  },
].map(({ problem, of }) => {
  const nets = new BlockList()
  for (const net of of) {
    const [base = '', bits] = net.split('/')
    nets.addSubnet(base, Number(bits), isIPv4(base) ? 'ipv4' : 'ipv6')
  }
  return { problem, nets }
})
