import { parseQuantity, type Nanos } from './quantity.ts'
import type { Container, PodSpec, ResourceList } from './types.ts'
import { podResources } from './validation/resources.ts'

/**
 * What a Pod takes of a node (PodRequests, staging/src/k8s.io/component-helpers/resource/helpers.go):
 * what the regular containers and the sidecars take together, or an init container with the
 * sidecars before it, if that is more. What the Pod says as a whole comes before.
 */
export function podRequests(spec: PodSpec): ReadonlyMap<string, Nanos> {
  return replaced(
    containersRequests(spec),
    podResources(spec)?.requests ?? new Map(),
  )
}

/** The same without what the Pod says as a whole (AggregateContainerRequests). */
export function containersRequests(spec: PodSpec): ReadonlyMap<string, Nanos> {
  return totalOf(spec, requestsOf)
}

/** PodLimits of the same file. A container without a limit counts as nothing. */
export function podLimits(spec: PodSpec): ReadonlyMap<string, Nanos> {
  return replaced(
    totalOf(spec, ({ resources }) => resources.limits),
    spec.resources?.limits ?? new Map(),
  )
}

/** A limit without a request is one (the API server's default). */
export function requestsOf({ resources }: Container): ResourceList {
  return new Map([...resources.limits, ...resources.requests])
}

/** Of a list of limits or requests; 0 where it does not have it. */
export function amountIn(list: ResourceList, name: string): Nanos {
  return parseQuantity(list.get(name) ?? '0') ?? 0n
}

function totalOf(
  spec: PodSpec,
  listOf: (container: Container) => ResourceList,
): Map<string, Nanos> {
  const total = new Map<string, Nanos>()
  const sidecars = new Map<string, Nanos>()
  const atStart: ReadonlyMap<string, Nanos>[] = []
  for (const container of spec.containers) add(total, listOf(container))
  for (const container of spec.initContainers) {
    const isSidecar = container.restartPolicy === 'Always'
    const sum = isSidecar ? sidecars : new Map(sidecars)
    add(sum, listOf(container))
    atStart.push(new Map(sum))
    if (isSidecar) add(total, listOf(container))
  }
  for (const sum of atStart)
    for (const [resource, amount] of sum)
      if (amount > (total.get(resource) ?? 0n)) total.set(resource, amount)
  return total
}

function add(sum: Map<string, Nanos>, list: ResourceList): void {
  for (const resource of list.keys())
    sum.set(resource, (sum.get(resource) ?? 0n) + amountIn(list, resource))
}

function replaced(
  total: ReadonlyMap<string, Nanos>,
  list: ResourceList,
): ReadonlyMap<string, Nanos> {
  return new Map([
    ...total,
    ...[...list.keys()].map(name => [name, amountIn(list, name)] as const),
  ])
}
