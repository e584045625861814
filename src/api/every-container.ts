import type { Container, EphemeralContainer, PodSpec } from './types.ts'

/** Of all three kinds; ephemeral ones last, as they come last. */
export function everyContainer({
  initContainers,
  containers,
  ephemeralContainers = [],
}: Pick<
  PodSpec,
  'initContainers' | 'containers' | 'ephemeralContainers'
>): readonly (Container | EphemeralContainer)[] {
  return [...initContainers, ...containers, ...ephemeralContainers]
}
