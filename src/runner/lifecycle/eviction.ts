import { amountIn, podLimits } from '../../api/pod-resources.ts'
import {
  canonicalQuantity,
  formatQuantity,
  parseQuantity,
  quantityValue,
} from '../../api/quantity.ts'
import type { Container, Pod, Volume } from '../../api/types.ts'

/** What a Pod has written, in bytes. */
export interface StorageUsage {
  /** Of its emptyDirs on the disk, by their names. */
  readonly emptyDirs: ReadonlyMap<string, bigint>
  /** Of its containers that run, by their names: what they have written beside volumes. */
  readonly containers: ReadonlyMap<string, bigint>
}

/** A kubelet looks at what Pods have written as often as this (evictionMonitoringPeriod). */
export const evictionPeriodMs = 10_000

/** What an evicted Pod's containers have to end (immediateEvictionGracePeriodSeconds). */
export const evictionGraceSeconds = 1

/** The emptyDirs that are on the disk: those in memory have their size. */
export function diskEmptyDirs({ spec }: Pod): readonly Volume[] {
  return spec.volumes.filter(
    ({ emptyDir }) => emptyDir !== undefined && emptyDir.medium !== 'Memory',
  )
}

/** Whether there is a limit at all for which a Pod could be evicted. */
export function hasStorageLimit(pod: Pod): boolean {
  return (
    podLimits(pod.spec).has(ephemeral) ||
    diskEmptyDirs(pod).some(volume => sizeLimitOf(volume) > 0n)
  )
}

/**
 * Why a Pod is evicted, in the words of the event and the status; undefined: it is within its
 * limits. Source: localStorageEviction, pkg/kubelet/eviction/eviction_manager.go and helpers.go.
 */
export function whyEvicted(
  pod: Pod,
  { emptyDirs, containers }: StorageUsage,
): string | undefined {
  for (const volume of diskEmptyDirs(pod)) {
    const limit = sizeLimitOf(volume)
    if (limit > 0n && (emptyDirs.get(volume.name) ?? 0n) > limit)
      return `Usage of EmptyDir volume "${volume.name}" exceeds the limit "${canonicalQuantity(volume.emptyDir?.sizeLimit ?? '0')}". `
  }
  const ofPod = podLimits(pod.spec).get(ephemeral)
  const total = [...emptyDirs.values(), ...containers.values()].reduce(
    (sum, bytes) => sum + bytes,
    0n,
  )
  if (ofPod !== undefined && total > quantityValue(ofPod))
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatQuantity(ofPod, anyLimit(pod))}. `
  for (const { name, resources } of pod.spec.containers) {
    const limit = quantityValue(amountIn(resources.limits, ephemeral))
    if (limit > 0n && (containers.get(name) ?? 0n) > limit)
      return `Container ${name} exceeded its local ephemeral storage limit "${canonicalQuantity(resources.limits.get(ephemeral) ?? '0')}". `
  }
  return undefined
}

const ephemeral = 'ephemeral-storage'

function sizeLimitOf({ emptyDir }: Volume): bigint {
  return quantityValue(parseQuantity(emptyDir?.sizeLimit ?? '0') ?? 0n)
}

/** By whose suffix the sum is written: the first one's (Quantity.Add). */
function anyLimit({ spec }: Pod): string {
  const all: readonly Container[] = [...spec.containers, ...spec.initContainers]
  return (
    all
      .map(({ resources }) => resources.limits.get(ephemeral))
      .find(limit => limit !== undefined) ?? '0'
  )
}
