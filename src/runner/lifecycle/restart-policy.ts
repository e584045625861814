import type { Container, Pod } from '../../api/types.ts'

/** A sidecar: an init container with restartPolicy Always. Asked of init containers only. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/**
 * Whether a container that ended with this exit code runs again (ContainerShouldRestart,
 * pkg/api/v1/pod/util.go; docs/kubernetes.md#restarts-and-back-off): the first of its own rules
 * that matches, its own policy, the Pod's. A plain init container that succeeded does not, whatever
 * they say.
 */
export function shouldRestart(
  pod: Pod,
  container: Container,
  exitCode: number,
): boolean {
  const isPlainInit =
    pod.spec.initContainers.includes(container) && !isSidecar(container)
  if (isPlainInit && exitCode === 0) return false
  if (actionOf(container, exitCode) !== undefined) return true
  const policy = container.restartPolicy ?? pod.spec.restartPolicy
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

/** Whether it may ever run again (IsContainerRestartable). */
export function mayRestart(pod: Pod, container: Container): boolean {
  const { restartPolicy, restartPolicyRules = [] } = container
  return (
    (restartPolicy ?? pod.spec.restartPolicy) !== 'Never' ||
    restartPolicyRules.some(({ action }) => action === 'Restart')
  )
}

/** Whether its end is the end of all, and all begin anew (ShouldAllContainersRestart). */
export function restartsAll(container: Container, exitCode: number): boolean {
  return actionOf(container, exitCode) === 'RestartAllContainers'
}

/** Whether that can come (AllContainersCouldRestart). */
export function couldRestartAll({ spec }: Pod): boolean {
  return [...spec.initContainers, ...spec.containers].some(
    ({ restartPolicyRules = [] }) =>
      restartPolicyRules.some(
        ({ action }) => action === 'RestartAllContainers',
      ),
  )
}

/** Of the first rule that matches (findMatchingContainerRestartRule). */
function actionOf(
  { restartPolicyRules = [] }: Container,
  exitCode: number,
): string | undefined {
  return restartPolicyRules.find(
    ({ exitCodes: { operator, values = [] } = {} }) =>
      operator === 'In'
        ? values.includes(exitCode)
        : operator === 'NotIn' && !values.includes(exitCode),
  )?.action
}
