import { everyContainer } from '../api/every-container.ts'
import type { Pod } from '../api/types.ts'
import { podName } from './pod-notices.ts'

/** Whose output it is, for OutputLines; unique among all Pods. */
export function outputSource(pod: Pod, container: string): string {
  return `${podName(pod)}/${container}`
}

/**
 * What stands before the lines of each container: its name; where there are several Pods,
 * POD/CONTAINER; where they are of several namespaces, NAMESPACE/POD/CONTAINER.
 */
export function outputLabels(
  pods: readonly Pod[],
): ReadonlyMap<string, string> {
  const namespaces = new Set(pods.map(({ metadata }) => metadata.namespace))
  const labelOf = (pod: Pod, container: string): string => {
    if (pods.length === 1) return container
    if (namespaces.size > 1) return outputSource(pod, container)
    return `${pod.metadata.name}/${container}`
  }
  return new Map(
    pods.flatMap(pod =>
      everyContainer(pod.spec).map(
        ({ name }) => [outputSource(pod, name), labelOf(pod, name)] as const,
      ),
    ),
  )
}
