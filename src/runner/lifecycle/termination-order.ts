import type { Pod } from '../../api/types.ts'
import { isSidecar } from './restart-policy.ts'

/**
 * The containers that have to end before this one gets its SIGTERM
 * (pkg/kubelet/kuberuntime/kuberuntime_termination_order.go): regular and plain init containers
 * wait for nobody, a sidecar waits for all regular containers and for the sidecars after it.
 */
export function terminatesAfter(pod: Pod, name: string): readonly string[] {
  const { initContainers, containers } = pod.spec
  const index = initContainers.findIndex(
    container => container.name === name && isSidecar(container),
  )
  if (index === -1) return []
  return [
    ...containers,
    ...initContainers.slice(index + 1).filter(isSidecar),
  ].map(container => container.name)
}
