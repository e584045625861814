import type { Endpoint, ServiceEntry, ServiceTable } from '../service-table.ts'

/*
 * What a cluster's DNS says of Services (DNS-Based Service Discovery of kubernetes/dns, 1.1.0), as CoreDNS answers
 * it. Pure.
 */

export type DnsRecord =
  | { readonly type: 'A'; readonly name: string; readonly data: string }
  | {
      readonly type: 'CNAME' | 'PTR'
      readonly name: string
      readonly data: string
    }
  | {
      readonly type: 'SRV'
      readonly name: string
      readonly data: {
        readonly priority: number
        readonly weight: number
        readonly port: number
        readonly target: string
      }
    }

export interface ZoneAnswer {
  /** False: there is no such name. */
  readonly exists: boolean
  readonly answers: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

const nothing: ZoneAnswer = { exists: false, answers: [], additionals: [] }

/** Undefined: the name is none of the cluster's, and for the machine's own resolver. */
export function askZone(
  table: ServiceTable,
  name: string,
  type: string,
): ZoneAnswer | undefined {
  const asked = name.toLowerCase().replace(/\.$/, '')
  const reverse = reverseAddress(asked)
  if (reverse !== undefined) return askReverse(table, reverse, name, type)
  const domain = table.clusterDomain.toLowerCase()
  if (asked !== domain && !asked.endsWith(`.${domain}`)) return undefined
  const labels = asked
    .slice(0, -domain.length - 1)
    .split('.')
    .filter(Boolean)
  const kind = labels.pop()
  // The domain itself, `svc` and `pod` are there, and have nothing.
  if (kind === undefined) return { ...nothing, exists: true }
  if (kind === 'pod') return askPod(labels, name, type)
  if (kind !== 'svc') return nothing
  return askServices(table, labels, name, type)
}

/** 4.3.2.1.in-addr.arpa */
function reverseAddress(name: string): string | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/.exec(name)
  return match?.slice(1, 5).toReversed().join('.')
}

/** Undefined for an address of which nothing is known here. */
function askReverse(
  { services, clusterDomain }: ServiceTable,
  ip: string,
  name: string,
  type: string,
): ZoneAnswer | undefined {
  const names = services.flatMap(service => {
    const whole = `${fullName(service)}.svc.${clusterDomain}`
    if (service.ip === ip) return [whole]
    if (service.ip !== undefined) return []
    return service.endpoints
      .filter(endpoint => endpoint.ip === ip)
      .map(endpoint => `${endpointName(endpoint)}.${whole}`)
  })
  if (names.length === 0) return undefined
  return {
    exists: true,
    answers: type === 'PTR' ? names.map(data => ({ type, name, data })) : [],
    additionals: [],
  }
}

/** `127-1-2-3.default.pod`: the address stands in the name (CoreDNS, pods insecure). */
function askPod(
  labels: readonly string[],
  name: string,
  type: string,
): ZoneAnswer {
  const [address = '', namespace, ...others] = labels
  if (namespace === undefined || others.length > 0)
    return { ...nothing, exists: labels.length < 2 }
  const data = address.replaceAll('-', '.')
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(data)) return nothing
  return {
    exists: true,
    answers: type === 'A' ? [{ type, name, data }] : [],
    additionals: [],
  }
}

function askServices(
  table: ServiceTable,
  labels: readonly string[],
  name: string,
  type: string,
): ZoneAnswer {
  const rest = [...labels]
  const namespace = rest.pop()
  const inNamespace = table.services.filter(
    service => service.namespace === namespace,
  )
  if (namespace === undefined) return { ...nothing, exists: true }
  const serviceName = rest.pop()
  if (serviceName === undefined)
    return { ...nothing, exists: inNamespace.length > 0 }
  const service = inNamespace.find(({ name }) => name === serviceName)
  if (service === undefined) return nothing
  if (rest.length === 0) return askService(table, service, name, type)
  const [first = '', second = '', ...others] = rest
  if (others.length > 0) return nothing
  if (second === '') return askEndpoint(service, first, name, type)
  return first.startsWith('_') && second.startsWith('_')
    ? askPort(table, service, first.slice(1), second.slice(1), name, type)
    : nothing
}

function askService(
  table: ServiceTable,
  service: ServiceEntry,
  name: string,
  type: string,
): ZoneAnswer {
  const { externalName, ip, endpoints } = service
  const found = { exists: true, additionals: [] }
  if (externalName !== undefined)
    return {
      ...found,
      answers: [{ type: 'CNAME', name, data: externalName }],
    }
  if (type === 'SRV') return srvAnswer(table, service, service.ports, name)
  const addresses = ip === undefined ? endpoints.map(({ ip }) => ip) : [ip]
  return {
    // A headless Service without a ready Pod has no name, as in a cluster.
    exists: addresses.length > 0,
    additionals: [],
    answers: type === 'A' ? addresses.map(data => ({ type, name, data })) : [],
  }
}

/** `db-0.db`: of a headless Service only. */
function askEndpoint(
  { ip, endpoints }: ServiceEntry,
  label: string,
  name: string,
  type: string,
): ZoneAnswer {
  const found = endpoints.filter(endpoint => endpointName(endpoint) === label)
  if (ip !== undefined || found.length === 0) return nothing
  return {
    exists: true,
    answers:
      type === 'A' ? found.map(({ ip: data }) => ({ type, name, data })) : [],
    additionals: [],
  }
}

/** `_http._tcp.web` */
function askPort(
  table: ServiceTable,
  service: ServiceEntry,
  portName: string,
  protocol: string,
  name: string,
  type: string,
): ZoneAnswer {
  const ports = service.ports.filter(
    port =>
      port.name?.toLowerCase() === portName &&
      port.protocol.toLowerCase() === protocol,
  )
  if (ports.length === 0) return nothing
  const answer = srvAnswer(table, service, ports, name)
  return type === 'SRV'
    ? answer
    : { exists: answer.exists, answers: [], additionals: [] }
}

function srvAnswer(
  { clusterDomain }: ServiceTable,
  service: ServiceEntry,
  ports: ServiceEntry['ports'],
  name: string,
): ZoneAnswer {
  const whole = `${fullName(service)}.svc.${clusterDomain}`
  const { ip, endpoints } = service
  const places =
    ip === undefined
      ? endpoints.map(endpoint => ({
          ip: endpoint.ip,
          target: `${endpointName(endpoint)}.${whole}`,
          portOf: (i: number) => endpoint.targets[i],
        }))
      : [{ ip, target: whole, portOf: (i: number) => service.ports[i]?.port }]
  const all = places.flatMap(({ target, portOf }) =>
    ports.flatMap(wanted => {
      const port = portOf(service.ports.indexOf(wanted))
      return port === undefined ? [] : [{ target, port }]
    }),
  )
  const weight = all.length === 0 ? 0 : Math.floor(100 / all.length)
  return {
    exists: places.length > 0,
    answers: all.map(({ target, port }) => ({
      type: 'SRV',
      name,
      data: { priority: 0, weight, port, target },
    })),
    additionals: places.map(({ target, ip }) => ({
      type: 'A',
      name: target,
      data: ip,
    })),
  }
}

function fullName({ name, namespace }: ServiceEntry): string {
  return `${name}.${namespace}`
}

/** One without a name of its own is called as its address. */
function endpointName({ hostname, ip }: Endpoint): string {
  return hostname ?? ip.replaceAll('.', '-')
}
