import type { Pod } from '../../api/types.ts'

/** What a kubelet would record as an event of the Pod. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  /** `spec.containers{NAME}`, or of another of the lists; absent: of the whole Pod. */
  readonly fieldPath?: string
}

export function containerFieldPath(pod: Pod, container: string): string {
  const list = (['initContainers', 'ephemeralContainers'] as const).find(key =>
    pod.spec[key]?.some(({ name }) => name === container),
  )
  return `spec.${list ?? 'containers'}{${container}}`
}
