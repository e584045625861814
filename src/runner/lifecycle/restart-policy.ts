import type { Container, Pod } from '../../api/types.ts'

/** A sidecar: an init container with restartPolicy Always. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/**
 * Whether a container that ended with this exit code runs again (ContainerShouldRestart,
 * pkg/api/v1/pod/util.go; docs/kubernetes.md#restarts-and-back-off). A sidecar does, whatever the
 * Pod's policy is. A plain init container that succeeded does not; for one that failed the policy
 * Always means OnFailure.
 */
export function shouldRestart(
  pod: Pod,
  container: Container,
  exitCode: number,
): boolean {
  if (isSidecar(container)) return true
  const isInit = pod.spec.initContainers.includes(container)
  const { restartPolicy } = pod.spec
  if (restartPolicy === 'Never') return false
  return exitCode !== 0 || (restartPolicy === 'Always' && !isInit)
}
