import { goQuote } from '../../api/go-quote.ts'
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
  /** One of the kubelet's, or whatever a readiness gate names. */
  readonly type: PodConditionType | (string & {})
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  /** The generation of the Pod that it is about. */
  readonly observedGeneration?: number
  readonly lastProbeTime: string | null
  /** Null where others have not said it. */
  readonly lastTransitionTime: string | null
}

const own: Readonly<Record<PodConditionType, true>> = {
  PodReadyToStartContainers: true,
  Initialized: true,
  Ready: true,
  ContainersReady: true,
  PodScheduled: true,
  AllContainersRestarting: true,
}

/** Whether it is the kubelet's own (pkg/kubelet/types/pod_status.go), and nobody else's to say. */
export function isOwnCondition(type: string): type is PodConditionType {
  return Object.hasOwn(own, type)
}

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

const yes: Verdict = { status: 'True' }

/**
 * The kubelet's conditions in its order (pkg/kubelet/status/generate.go;
 * docs/kubernetes.md#conditions). `phase` is the computed one, also while a terminal phase is
 * still withheld. A condition keeps its time for as long as its status stays the same. Those of
 * others come first, as they are.
 */
export function podConditions(
  pod: Pod,
  statuses: StatusByName,
  phase: PodPhase,
  facts: {
    readonly sandboxReady: boolean
    readonly isRestartingAll: boolean
    readonly others: readonly PodCondition[]
    readonly observedGeneration: number
    readonly now: string
    readonly previous: readonly PodCondition[]
  },
): readonly PodCondition[] {
  const containersReady = containersReadyVerdict(pod, statuses, phase)
  const condition = (type: PodConditionType, verdict: Verdict) =>
    conditionOf(type, verdict, facts)
  const before = [
    ...facts.others,
    condition(
      'PodReadyToStartContainers',
      facts.sandboxReady ? yes : { status: 'False' },
    ),
    condition('Initialized', initializedVerdict(pod, statuses, phase)),
  ]
  return [
    ...before,
    condition('Ready', readyVerdict(pod, containersReady, before)),
    condition('ContainersReady', containersReady),
    condition('PodScheduled', yes),
    ...(couldRestartAll(pod)
      ? [
          condition(
            'AllContainersRestarting',
            restarting(facts.isRestartingAll, phase),
          ),
        ]
      : []),
  ]
}

/** GeneratePodReadyCondition: ready containers, and what the readiness gates ask for beside. */
function readyVerdict(
  { spec }: Pod,
  containersReady: Verdict,
  conditions: readonly PodCondition[],
): Verdict {
  if (containersReady.status !== 'True') return containersReady
  const unready = (spec.readinessGates ?? []).flatMap(
    ({ conditionType = '' }) => {
      const found = conditions.find(({ type }) => type === conditionType)
      const gate = goQuote(conditionType)
      if (found === undefined)
        return `corresponding condition of pod readiness gate ${gate} does not exist.`
      return found.status === 'True'
        ? []
        : `the status of pod readiness gate ${gate} is not "True", but ${found.status}`
    },
  )
  return unready.length === 0
    ? yes
    : {
        status: 'False',
        reason: 'ReadinessGatesNotReady',
        message: unready.join(', '),
      }
}

/** The scheduler's, the only one of a Pod that is on no node; of gates it is the API server's. */
export function unscheduledCondition(
  { reason, message }: Unscheduled,
  facts: Changes,
): PodCondition {
  const { observedGeneration: _, ...unobserved } = facts
  return conditionOf(
    'PodScheduled',
    { status: 'False', reason, message },
    reason === 'SchedulingGated' ? unobserved : facts,
  )
}

/** The only one of a Pod that its node does not take. */
export function scheduledCondition(facts: Changes): PodCondition {
  return conditionOf('PodScheduled', yes, facts)
}

interface Changes {
  readonly observedGeneration?: number
  readonly now: string
  readonly previous: readonly PodCondition[]
}

function conditionOf(
  type: PodConditionType,
  verdict: Verdict,
  { now, previous, observedGeneration }: Changes,
): PodCondition {
  const before = previous.find(condition => condition.type === type)
  const lastTransitionTime =
    before?.status === verdict.status ? before.lastTransitionTime : now
  return {
    type,
    ...verdict,
    ...(observedGeneration !== undefined && { observedGeneration }),
    lastProbeTime: null,
    lastTransitionTime,
  }
}

/** Of the Pods in which a rule can ask for it. */
function restarting(isRestartingAll: boolean, phase: PodPhase): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  if (!isRestartingAll) return { status: 'False' }
  return {
    status: 'True',
    reason: 'RestartAllContainersStarted',
    message: 'container exited with restart policy rule',
  }
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
