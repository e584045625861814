import { parseQuantity } from './quantity.ts'
import { podResources } from './validation/resources.ts'
import type { Pod, ResourceList } from './types.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const computed = ['cpu', 'memory'] as const

/**
 * status.qosClass (pkg/apis/core/v1/helper/qos/qos.go): Guaranteed when every container's
 * requests equal its limits in cpu and memory, BestEffort when none says anything. Only these
 * two resources count, and zero counts as unsaid. Where the Pod has resources of its own, only
 * those count.
 */
export function qosClass(pod: Pod): QosClass {
  const ofPod = podResources(pod.spec)
  const all =
    ofPod === undefined
      ? [...pod.spec.containers, ...pod.spec.initContainers].map(
          ({ resources }) => resources,
        )
      : [ofPod]
  let anything = false
  let guaranteed = true
  for (const resources of all) {
    for (const resource of computed) {
      const limit = amountOf(resources.limits, resource)
      // The API server copies a limit into a request that is not there.
      const request = resources.requests.has(resource)
        ? amountOf(resources.requests, resource)
        : limit
      if (limit > 0n || request > 0n) anything = true
      if (limit === 0n || limit !== request) guaranteed = false
    }
  }
  if (!anything) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

function amountOf(list: ResourceList, resource: string): bigint {
  // Stryker disable next-line StringLiteral: nothing is no quantity, and so 0, too
  return parseQuantity(list.get(resource) ?? '0') ?? 0n
}
