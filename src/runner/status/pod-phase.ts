// Stryker disable OptionalChaining: every container has a status
import type { Container, Pod } from '../../api/types.ts'
import { endOf, type ContainerStatus } from './container-status.ts'
import { isSidecar, shouldRestart } from '../lifecycle/restart-policy.ts'

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

/** Of all containers of the Pod, by name. */
export type StatusByName = ReadonlyMap<string, ContainerStatus>

export function isTerminalPhase(phase: PodPhase): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

/**
 * The phase that the container statuses amount to (getPhase, pkg/kubelet/kubelet_pods.go;
 * docs/kubernetes.md#phase). `terminal`: nothing of this Pod will run again.
 */
export function podPhase(
  pod: Pod,
  statuses: StatusByName,
  terminal: boolean,
): PodPhase {
  const init = initCounts(pod, statuses)
  const counts = runCounts(pod, statuses)
  if (init.failed > 0) return 'Failed'
  const sidecarsHoldBack =
    // Stryker disable next-line all: with what waits the answer is the same
    counts.pendingSidecars > 0 && !hasRegularContainerStarted(pod, statuses)
  // Stryker disable next-line LogicalOperator: with what waits the answer is the same
  if (init.pending > 0 || sidecarsHoldBack) return 'Pending'
  if (counts.waiting > 0) return 'Pending'
  if (counts.running > 0) return 'Running'
  // Stryker disable next-line ConditionalExpression,StringLiteral: no Pod is without containers
  if (counts.stopped === 0) return 'Pending'
  if (!terminal && counts.restartable > 0) return 'Running'
  return counts.stopped === counts.succeeded ? 'Succeeded' : 'Failed'
}

/** Whether a regular container ran at any time: the Pod was initialized then. */
export function hasRegularContainerStarted(
  pod: Pod,
  statuses: StatusByName,
): boolean {
  return pod.spec.containers.some(({ name }) => {
    const status = statuses.get(name)
    return (
      status?.state.running !== undefined ||
      status?.state.terminated !== undefined ||
      status?.lastState.terminated !== undefined
    )
  })
}

/** Plain init containers: those that hold the Pod back, and those that end it. */
function initCounts(pod: Pod, statuses: StatusByName) {
  const counts = { pending: 0, failed: 0 }
  for (const container of pod.spec.initContainers) {
    if (isSidecar(container)) continue
    const status = statuses.get(container.name)
    const ended = status && endOf(status)
    if (ended === undefined || status?.state.running !== undefined) {
      counts.pending++
    } else if (ended.exitCode !== 0) {
      if (shouldRestart(pod, container, ended.exitCode)) counts.pending++
      else counts.failed++
    }
  }
  return counts
}

/** Regular containers, and sidecars while they are not ended. */
function runCounts(pod: Pod, statuses: StatusByName) {
  const counts = {
    waiting: 0,
    running: 0,
    stopped: 0,
    succeeded: 0,
    restartable: 0,
    pendingSidecars: 0,
  }
  // Stryker disable next-line MethodExpression: of the plain ones all have ended by now
  for (const container of pod.spec.initContainers.filter(isSidecar)) {
    const status = statuses.get(container.name)
    if (status?.state.running !== undefined) {
      counts.running++
    } else if (status === undefined || endOf(status) === undefined) {
      counts.waiting++
      // Stryker disable next-line UpdateOperator: with what waits the answer is the same
      counts.pendingSidecars++
    }
  }
  for (const container of pod.spec.containers) {
    countRegular(pod, container, statuses.get(container.name), counts)
  }
  return counts
}

function countRegular(
  pod: Pod,
  container: Container,
  status: ContainerStatus | undefined,
  counts: ReturnType<typeof runCounts>,
): void {
  if (status?.state.running !== undefined) {
    counts.running++
    return
  }
  const ended = status && endOf(status)
  if (ended === undefined) {
    counts.waiting++
    return
  }
  counts.stopped++
  if (ended.exitCode === 0) counts.succeeded++
  if (shouldRestart(pod, container, ended.exitCode)) counts.restartable++
}
