import type { Pod } from '../../api/types.ts'
import type { ContainerStatus } from './container-status.ts'
import {
  hasRegularContainerStarted,
  type PodPhase,
  type StatusByName,
} from './pod-phase.ts'
import type { Unscheduled } from '../lifecycle/schedule-pod.ts'
import { couldRestartAll, isSidecar } from '../lifecycle/restart-policy.ts'

export type PodConditionType =
  | 'PodReadyToStartContainers'
  | 'Initialized'
  | 'Ready'
  | 'ContainersReady'
  | 'PodScheduled'
  | 'AllContainersRestarting'

export interface PodCondition {
  readonly type: PodConditionType
  readonly status: 'True' | 'False'
  readonly reason?: string
  readonly message?: string
  readonly lastProbeTime: null
  readonly lastTransitionTime: string
}

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

const yes: Verdict = { status: 'True' }

/**
 * The kubelet's conditions in its order (pkg/kubelet/status/generate.go;
 * docs/kubernetes.md#conditions). `phase` is the computed one, also while a terminal phase is
 * still withheld. A condition keeps its time for as long as its status stays the same.
 */
export function podConditions(
  pod: Pod,
  statuses: StatusByName,
  phase: PodPhase,
  facts: {
    readonly sandboxReady: boolean
    readonly isRestartingAll: boolean
    readonly now: string
    readonly previous: readonly PodCondition[]
  },
): readonly PodCondition[] {
  const containersReady = containersReadyVerdict(pod, statuses, phase)
  const verdicts: readonly [PodConditionType, Verdict][] = [
    [
      'PodReadyToStartContainers',
      facts.sandboxReady ? yes : { status: 'False' },
    ],
    ['Initialized', initializedVerdict(pod, statuses, phase)],
    ['Ready', containersReady],
    ['ContainersReady', containersReady],
    ['PodScheduled', yes],
    ...(couldRestartAll(pod) ? [restarting(facts.isRestartingAll, phase)] : []),
  ]
  return verdicts.map(([type, verdict]) => conditionOf(type, verdict, facts))
}

/** The scheduler's, the only one of a Pod that is on no node. */
export function unscheduledCondition(
  { reason, message }: Unscheduled,
  facts: Changes,
): PodCondition {
  return conditionOf(
    'PodScheduled',
    { status: 'False', reason, message },
    facts,
  )
}

interface Changes {
  readonly now: string
  readonly previous: readonly PodCondition[]
}

function conditionOf(
  type: PodConditionType,
  verdict: Verdict,
  { now, previous }: Changes,
): PodCondition {
  const before = previous.find(condition => condition.type === type)
  const lastTransitionTime =
    before?.status === verdict.status ? before.lastTransitionTime : now
  return { type, ...verdict, lastProbeTime: null, lastTransitionTime }
}

/** Of the Pods in which a rule can ask for it. */
function restarting(
  isRestartingAll: boolean,
  phase: PodPhase,
): [PodConditionType, Verdict] {
  const type = 'AllContainersRestarting'
  if (phase === 'Succeeded')
    return [type, { status: 'False', reason: 'PodCompleted' }]
  if (phase === 'Failed')
    return [type, { status: 'False', reason: 'PodFailed' }]
  if (!isRestartingAll) return [type, { status: 'False' }]
  return [
    type,
    {
      status: 'True',
      reason: 'RestartAllContainersStarted',
      message: 'container exited with restart policy rule',
    },
  ]
}

function initializedVerdict(
  pod: Pod,
  statuses: StatusByName,
  phase: PodPhase,
): Verdict {
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' }
  if (hasRegularContainerStarted(pod, statuses)) return yes
  const incomplete = incompleteInitContainers(pod, statuses)
  if (incomplete.length === 0) return yes
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.join(' ')}]`,
  }
}

/** In spec order: plain ones that have not succeeded, sidecars that are not started. */
function incompleteInitContainers(
  pod: Pod,
  statuses: StatusByName,
): readonly string[] {
  // Stryker disable OptionalChaining: every container has a status
  const isComplete = (sidecar: boolean, status?: ContainerStatus) =>
    sidecar ? status?.started === true : status?.ready === true
  return pod.spec.initContainers
    .filter(
      container =>
        !isComplete(isSidecar(container), statuses.get(container.name)),
    )
    .map(({ name }) => name)
}

function containersReadyVerdict(
  pod: Pod,
  statuses: StatusByName,
  phase: PodPhase,
): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const unready = [
    ...pod.spec.initContainers.filter(isSidecar),
    ...pod.spec.containers,
  ]
    .filter(({ name }) => statuses.get(name)?.ready !== true)
    .map(({ name }) => name)
  if (unready.length === 0) return yes
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  }
}
