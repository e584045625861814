import {
  amountIn,
  containersRequests,
  podLimits,
  podRequests,
  requestsOf,
} from '../../api/pod-resources.ts'
import { qosClass } from '../../api/qos-class.ts'
import {
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  type Nanos,
} from '../../api/quantity.ts'
import type { Container, Pod, ResourceList } from '../../api/types.ts'
import { cpuPeriod, type CgroupResources } from '../../linux/cgroup-files.ts'

/*
 * From a Pod's resources to the limits of its cgroups, and the order in which the kernel's OOM
 * killer takes its processes, as a kubelet of v1.34 has them.
 */

/** Whether the Pod says anything of resources for which there are cgroups. */
export function hasResources({ spec }: Pod): boolean {
  const lists = [
    spec.resources,
    ...[...spec.initContainers, ...spec.containers].map(
      ({ resources }) => resources,
    ),
  ].flatMap(resources =>
    resources === undefined ? [] : [resources.limits, resources.requests],
  )
  return lists.some(list =>
    [...list.keys()].some(
      name =>
        /^(cpu|memory|hugepages-.*)$/.test(name) && amountIn(list, name) > 0n,
    ),
  )
}

/** ResourceConfigForPod, pkg/kubelet/cm/helpers_linux.go. */
export function podCgroupResources(pod: Pod): CgroupResources {
  const { spec } = pod
  const limits = podLimits(spec)
  const cpuShares = sharesOf(podRequests(spec).get('cpu') ?? 0n)
  const hugePages = hugePagesIn(limits)
  const qos = qosClass(pod)
  if (qos === 'BestEffort') return { cpuShares: minShares, hugePages }
  /** Else the containers without a limit have the machine's. */
  const isLimited = (name: string): boolean =>
    qos === 'Guaranteed' ||
    amountIn(spec.resources?.limits ?? new Map(), name) > 0n ||
    [...spec.initContainers, ...spec.containers].every(
      ({ resources }) => amountIn(resources.limits, name) > 0n,
    )
  return {
    cpuShares,
    ...(isLimited('cpu') && quotaOf(limits.get('cpu') ?? 0n)),
    ...(isLimited('memory') && memoryOf(limits.get('memory') ?? 0n)),
    hugePages,
  }
}

/**
 * calculateLinuxResources, pkg/kubelet/kuberuntime/kuberuntime_container_linux.go: without a limit
 * of its own a container has the Pod's.
 */
export function containerCgroupResources(
  { spec }: Pod,
  container: Container,
): CgroupResources {
  const { limits, requests } = container.resources
  const limitOf = (name: string): Nanos =>
    amountIn(limits, name) ||
    amountIn(spec.resources?.limits ?? new Map(), name)
  return {
    cpuShares: sharesOf(amountIn(requests, 'cpu') || limitOf('cpu')),
    ...quotaOf(limitOf('cpu')),
    ...memoryOf(limitOf('memory')),
    hugePages: hugePagesIn(amountsIn(limits)),
  }
}

const guaranteedScore = -997
const bestEffortScore = 1000

/** GetContainerOOMScoreAdjust, pkg/kubelet/qos/policy.go. `capacity`: the machine's memory. */
export function oomScoreAdjust(
  pod: Pod,
  container: Container,
  capacity: bigint,
): number {
  const qos = qosClass(pod)
  if (qos === 'Guaranteed') return guaranteedScore
  if (qos === 'BestEffort') return bestEffortScore
  const more = remainingRequest(pod)
  const scoreOf = (each: Container): number =>
    1000 - Number((1000n * (memoryRequest(each) + more)) / capacity)
  const { initContainers, containers } = pod.spec
  const isSidecar =
    initContainers.includes(container) && container.restartPolicy === 'Always'
  const score = Math.min(
    scoreOf(container),
    // Of the regular one that asks for the least: a sidecar is not to go before those.
    ...(isSidecar ? [Math.max(...containers.map(scoreOf))] : []),
  )
  const lowest = 1000 + guaranteedScore
  return Math.max(lowest, Math.min(score, bestEffortScore - 1))
}

/** What the Pod asks for beyond its containers, divided equally among them. */
function remainingRequest({ spec }: Pod): bigint {
  const ofPod = bytesOf(amountIn(spec.resources?.requests ?? new Map(), memory))
  if (ofPod === 0n) return 0n
  const count = spec.containers.length + spec.initContainers.length
  const left = ofPod - bytesOf(containersRequests(spec).get(memory) ?? 0n)
  return left / BigInt(count)
}

const memory = 'memory'

function memoryRequest(container: Container): bigint {
  return bytesOf(amountIn(requestsOf(container), memory))
}

const minShares = 2
const maxShares = 262_144

/** MilliCPUToShares, pkg/kubelet/cm/helpers_linux.go. */
function sharesOf(cpu: Nanos): number {
  const shares = Math.floor((Number(quantityMilliValue(cpu)) * 1024) / 1000)
  return Math.min(Math.max(shares, minShares), maxShares)
}

/** cfs_quota_us is no less than 1 ms. */
const minQuota = 1000

/** MilliCPUToQuota, pkg/kubelet/cm/helpers_linux.go. */
function quotaOf(cpu: Nanos): Pick<CgroupResources, 'cpuQuota'> {
  if (cpu === 0n) return {}
  const quota = Math.floor((Number(quantityMilliValue(cpu)) * cpuPeriod) / 1000)
  return { cpuQuota: Math.max(quota, minQuota) }
}

function memoryOf(limit: Nanos): Pick<CgroupResources, 'memory'> {
  return limit === 0n ? {} : { memory: bytesOf(limit) }
}

function hugePagesIn(
  limits: ReadonlyMap<string, Nanos>,
): CgroupResources['hugePages'] {
  const prefix = 'hugepages-'
  return new Map(
    [...limits]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, amount]) => [
        bytesOf(parseQuantity(name.slice(prefix.length)) ?? 0n),
        bytesOf(amount),
      ]),
  )
}

function amountsIn(list: ResourceList): ReadonlyMap<string, Nanos> {
  return new Map([...list.keys()].map(name => [name, amountIn(list, name)]))
}

function bytesOf(amount: Nanos): bigint {
  return quantityValue(amount)
}
