import { parseQuantity, quantityValue } from '../api/quantity.ts'
import type { EmptyDirVolumeSource, Pod, ResourceList } from '../api/types.ts'

/**
 * The size of an emptyDir of medium Memory, in bytes: the least of the node's memory, what all
 * containers together may have (the Pod's limit, or theirs when each has one), and sizeLimit
 * (pkg/volume/emptydir/empty_dir.go, calculateEmptyDirMemorySize).
 */
export function emptyDirMemorySize(
  { sizeLimit }: EmptyDirVolumeSource,
  pod: Pod,
  allocatable: ResourceList,
): bigint {
  const sizes = [
    bytesOf(allocatable.get('memory')),
    podMemoryLimit(pod),
    bytesOf(sizeLimit),
  ].filter(size => size > 0n)
  return sizes.reduce((least, size) => (size < least ? size : least))
}

/** 0: there is none. Init containers run one after the other, and before the others. */
function podMemoryLimit({ spec }: Pod): bigint {
  const ofPod = bytesOf(spec.resources?.limits.get('memory'))
  if (ofPod > 0n) return ofPod
  const limitsOf = (containers: Pod['spec']['containers']): bigint[] =>
    containers.map(({ resources }) => bytesOf(resources.limits.get('memory')))
  const regular = limitsOf(spec.containers)
  const init = limitsOf(spec.initContainers)
  if ([...regular, ...init].includes(0n)) return 0n
  const sum = regular.reduce((total, limit) => total + limit, 0n)
  return init.reduce((most, limit) => (limit > most ? limit : most), sum)
}

function bytesOf(quantity: string | undefined): bigint {
  return quantityValue(parseQuantity(quantity ?? '0') ?? 0n)
}
