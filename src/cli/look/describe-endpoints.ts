import { items, part, text, type JsonObject } from '../../api/json.ts'
import {
  describeEvents,
  describeHead,
  orNone,
  type Surroundings,
} from './describe-parts.ts'

const unset = '<unset>'

/** describeEndpointSliceV1 of kubectl's pkg/describe/describe.go. */
export function describeEndpointSlice(
  slice: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const ports = items(slice, 'ports')
  const endpoints = items(slice, 'endpoints')
  return [
    ...describeHead(slice),
    `AddressType:\t${text(slice['addressType'])}`,
    ...(ports.length === 0
      ? [`Ports: ${unset}`]
      : ['Ports:', '  Name\tPort\tProtocol', '  ----\t----\t--------']),
    ...ports.map(
      ({ name, port, protocol }) =>
        `  ${text(name) || unset}\t${text(port) || unset}\t${text(protocol)}`,
    ),
    ...(endpoints.length === 0 ? ['Endpoints: <none>'] : ['Endpoints:']),
    ...endpoints.flatMap(describeEndpoint),
    ...describeEvents(events, now),
  ]
}

function describeEndpoint(endpoint: JsonObject): string[] {
  const { addresses, hostname, nodeName, zone } = endpoint
  const { kind, name } = part(endpoint, 'targetRef')
  const { ready } = part(endpoint, 'conditions')
  return [
    `  - Addresses:\t${orNone(((addresses ?? []) as readonly string[]).join(', '))}`,
    '    Conditions:',
    `      Ready:\t${text(ready) || unset}`,
    `    Hostname:\t${text(hostname) || unset}`,
    ...(kind === undefined
      ? []
      : [`    TargetRef:\t${text(kind)}/${text(name)}`]),
    `    NodeName:\t${text(nodeName) || unset}`,
    `    Zone:\t${text(zone) || unset}`,
  ]
}

/** describeEndpoints. */
export function describeEndpoints(
  endpoints: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  return [
    ...describeHead(endpoints),
    'Subsets:',
    ...items(endpoints, 'subsets').flatMap(describeSubset),
    ...describeEvents(events, now),
  ]
}

function describeSubset(subset: JsonObject): string[] {
  const list = (key: string): string =>
    orNone(
      items(subset, key)
        .map(({ ip }) => text(ip))
        .join(','),
    )
  const ports = items(subset, 'ports')
  return [
    `  Addresses:\t${list('addresses')}`,
    `  NotReadyAddresses:\t${list('notReadyAddresses')}`,
    ...(ports.length === 0
      ? []
      : ['  Ports:', '    Name\tPort\tProtocol', '    ----\t----\t--------']),
    ...ports.map(
      ({ name, port, protocol }) =>
        `    ${text(name) || unset}\t${text(port)}\t${text(protocol)}`,
    ),
    '',
  ]
}
