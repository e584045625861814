import type { Pod } from './types.ts'

/** `NAME_NAMESPACE(UID)`, as the kubelet's messages name a Pod. */
export function describePod({ metadata }: Pod): string {
  return `${metadata.name}_${metadata.namespace}(${metadata.uid})`
}
