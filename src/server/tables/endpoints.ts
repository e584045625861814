import { items, nameOf, part, text, type JsonObject } from '../../api/json.ts'
import { ageOf, type TableFormat } from './table.ts'

/*
 * The columns of EndpointSlices and Endpoints, from pkg/printers/internalversion/printers.go of
 * v1.34.
 */

const most = 3

/** listWithMoreString. */
function listed(all: readonly string[]): string {
  const first = all.slice(0, most).join(',')
  return all.length > most ? `${first} + ${all.length - most} more...` : first
}

function ageCell(object: JsonObject, now: number): string {
  return ageOf(part(object, 'metadata')['creationTimestamp'], now)
}

export const endpointSliceTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'AddressType' },
    { name: 'Ports' },
    { name: 'Endpoints' },
    { name: 'Age' },
  ],
  cells: (slice, now) => [
    nameOf(slice),
    text(slice['addressType']),
    listed(
      items(slice, 'ports').map(
        ({ port, name }) => text(port) || text(name) || '*',
      ),
    ) || '<unset>',
    listed(
      items(slice, 'endpoints').flatMap(
        ({ addresses }) => (addresses ?? []) as readonly string[],
      ),
    ) || '<unset>',
    ageCell(slice, now),
  ],
}

export const endpointsTable: TableFormat = {
  columns: [{ name: 'Name' }, { name: 'Endpoints' }, { name: 'Age' }],
  cells: (endpoints, now) => [
    nameOf(endpoints),
    formatSubsets(items(endpoints, 'subsets')),
    ageCell(endpoints, now),
  ],
}

/** formatEndpoints. */
function formatSubsets(subsets: readonly JsonObject[]): string {
  if (subsets.length === 0) return '<none>'
  return listed(
    subsets.flatMap(subset => {
      const ips = items(subset, 'addresses').map(({ ip }) => text(ip))
      const ports = items(subset, 'ports')
      return ports.length === 0
        ? ips
        : ports.flatMap(({ port }) => ips.map(ip => `${ip}:${text(port)}`))
    }),
  )
}
