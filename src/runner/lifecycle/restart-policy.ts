import type { Container, Pod } from '../../api/types.ts'

/** A sidecar: an init container with restartPolicy Always. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/**
 * Whether a container that ended like this runs again (pkg/api/v1/pod/util.go:419;
 * kubernetes.md 4.4, 4.5). A sidecar does whatever the Pod's policy is; a plain init
 * container that succeeded never does; of a failed one Always means OnFailure.
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
