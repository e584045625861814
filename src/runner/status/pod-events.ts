import type { Pod } from '../../api/types.ts'

/** What a kubelet would record as an event of the Pod. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  /** `spec.containers{NAME}` or `spec.initContainers{NAME}`; absent: of the whole Pod. */
  readonly fieldPath?: string
}

export function containerFieldPath(pod: Pod, container: string): string {
  const isInit = pod.spec.initContainers.some(({ name }) => name === container)
  return `spec.${isInit ? 'initContainers' : 'containers'}{${container}}`
}

/** `NAME_NAMESPACE(UID)`, as the kubelet's messages name a Pod. */
export function describePod({ metadata }: Pod): string {
  return `${metadata.name}_${metadata.namespace}(${metadata.uid})`
}

/** Go's time.Duration, for whole seconds: `10s`, `1m20s`, `5m0s`. */
export function formatGoDuration(ms: number): string {
  const total = Math.round(ms / 1000)
  const hours = Math.floor(total / 3600)
  const minutes = Math.floor((total % 3600) / 60)
  const seconds = total % 60
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`
}
