import { linuxStopSignals } from '../../api/stop-signals.ts'
import type { Container, LifecycleHandler, Pod } from '../../api/types.ts'
import type { Clock } from '../../util/clock.ts'
import type { GracePeriod } from './grace-period.ts'
import type { HandlerTarget } from './handler-target.ts'
import { runHook, type HookResult } from './run-hook.ts'
import { isSidecar } from './restart-policy.ts'
import type { RunningContainer } from '../sandbox/container-runtime.ts'

/** However little of the grace period is left, this much is between SIGTERM and SIGKILL. */
const minimumGraceMs = 2000

/** The kubelet's floor for a Pod that is deleted: a grace period of 0 s still becomes 1 s. */
export function deletionGraceSeconds({ spec }: Pod): number {
  return Math.max(1, spec.terminationGracePeriodSeconds)
}

/**
 * The most seconds that a Pod's deletion takes: a preStop hook, and a sidecar that waits for its
 * turn, may use up the whole grace period before the SIGTERM.
 */
export function longestDeletionSeconds(pod: Pod): number {
  const { initContainers, containers } = pod.spec
  const grace = deletionGraceSeconds(pod)
  const isAsked =
    initContainers.some(isSidecar) ||
    containers.some(({ lifecycle }) => lifecycle?.preStop !== undefined)
  const minimum = minimumGraceMs / 1000
  return isAsked ? grace + minimum : Math.max(grace, minimum)
}

/** SIGTERM, unless its lifecycle says another one. */
export function stopSignalOf({
  lifecycle,
}: Container): NodeJS.Signals | number {
  return linuxStopSignals.get(lifecycle?.stopSignal ?? '') ?? 'SIGTERM'
}

export interface Termination {
  readonly container: RunningContainer
  /** Resolves when the container has gone. */
  readonly gone: Promise<unknown>
  readonly preStop: LifecycleHandler | undefined
  /** What asks it to end. */
  readonly stopSignal: NodeJS.Signals | number
  readonly target: HandlerTarget
  /** Resolves when the containers have gone that have to go before. */
  readonly turn: Promise<unknown>
  readonly grace: GracePeriod
  readonly clock: Clock
  readonly onPreStop: (result: HookResult) => void
}

/**
 * Ends one container (killContainer, pkg/kubelet/kuberuntime/kuberuntime_container.go;
 * docs/kubernetes.md#termination):
 *
 * 1. preStop, within the grace period, unless that is 0 s; on overrun it is abandoned
 * 2. wait for the turn, within the grace period
 * 3. SIGTERM, or its lifecycle.stopSignal, to the first process
 * 4. wait for the rest of the grace period, at least 2 s
 * 5. SIGKILL
 *
 * Resolves when it has gone, and skips what is left as soon as it has.
 */
export async function terminateContainer({
  container,
  gone,
  preStop,
  stopSignal,
  target,
  turn,
  grace,
  clock,
  onPreStop,
}: Termination): Promise<void> {
  if (preStop !== undefined && !grace.isOver) {
    const abort = new AbortController() // 1
    const runs = async () =>
      onPreStop(await runHook(preStop, target, clock, abort.signal))
    await grace.waitFor(Promise.race([runs(), gone]))
    abort.abort()
  }
  await grace.waitFor(Promise.race([turn, gone])) // 2
  if (!grace.immediate) {
    container.signal(stopSignal) // 3
    const ended = await grace.waitFor(gone, clock.elapsed() + minimumGraceMs) // 4
    if (ended) return
  }
  container.signal('SIGKILL') // 5
  await gone
}
