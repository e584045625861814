/**
 * What a resourceFieldRef says of a container, the same for downward API volumes and for
 * the environment (kubernetes pkg/api/v1/resource/helpers.go; docs/kubernetes.md#downward-api).
 */
import {
  divideRoundingUp,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  type Nanos,
} from './quantity.ts'
import type { Container, ResourceList } from './types.ts'

/** Their limits default to what the node can give: a container without one may take it all. */
const defaultedLimits: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
])

/**
 * The container's limit or request divided by the divisor and rounded up, as a decimal
 * integer. A missing or zero limit of cpu, memory or ephemeral-storage is the node's
 * allocatable; a missing request is 0. (That a limit becomes the request is a default of the
 * API server, and is applied when the Pod is decoded.)
 *
 * Throws a RangeError for a resource that cannot be asked for and for a bad quantity.
 */
export function extractResourceValue(
  container: Container,
  selector: { readonly resource: string; readonly divisor?: string },
  allocatable: ResourceList,
): string {
  const match = /^(limits|requests)\.(.*)$/.exec(selector.resource)
  const [, list, resource = ''] = match ?? []
  if (!defaultedLimits.has(resource) && !resource.startsWith('hugepages-'))
    throw new RangeError(
      `unsupported container resource : ${selector.resource}`,
    )

  let amount =
    list === 'limits'
      ? quantityOf(container.resources.limits, resource)
      : quantityOf(container.resources.requests, resource)
  if (list === 'limits' && amount === 0n && defaultedLimits.has(resource))
    amount = quantityOf(allocatable, resource)

  const divisor = requireQuantity(selector.divisor ?? '0', 'divisor')
  if (divisor < 0n)
    throw new RangeError(`divisor: must not be negative: ${selector.divisor}`)
  // cpu counts in thousandths, so that the divisor may be 1m; all else in whole units.
  const units = resource === 'cpu' ? quantityMilliValue : quantityValue
  const one = parseQuantity('1') as Nanos
  return divideRoundingUp(
    units(amount),
    units(divisor === 0n ? one : divisor),
  ).toString()
}

function quantityOf(resources: ResourceList, resource: string): Nanos {
  const text = resources.get(resource)
  return text === undefined ? 0n : requireQuantity(text, resource)
}

function requireQuantity(text: string, what: string): Nanos {
  const nanos = parseQuantity(text)
  if (nanos === undefined)
    throw new RangeError(`${what}: not a quantity: ${JSON.stringify(text)}`)
  return nanos
}
