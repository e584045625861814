import { everyContainer } from '../../api/every-container.ts'
import type { Container, NodeInfo, Pod } from '../../api/types.ts'
import {
  hasStarted,
  newRecord,
  type ContainerRecord,
} from '../lifecycle/container-record.ts'
import {
  containerStatus,
  formatTime,
  type ContainerStatus,
  type EphemeralContainerStatus,
  type ContainerTerminated,
} from './container-status.ts'
import type { Unscheduled } from '../lifecycle/schedule-pod.ts'
import {
  podConditions,
  scheduledCondition,
  unscheduledCondition,
  type PodCondition,
} from './pod-conditions.ts'
import {
  hasRegularContainerStarted,
  isTerminalPhase,
  podPhase,
  type PodPhase,
  type StatusByName,
} from './pod-phase.ts'
import { isSidecar } from '../lifecycle/restart-policy.ts'
import { qosClass, type QosClass } from '../../api/qos-class.ts'

/** As `kubectl get pod -o json` shows it. */
export interface PodStatus {
  /** Of the spec that this is the status of; absent, as hostIP, while the Pod is on no node. */
  readonly observedGeneration?: number
  readonly phase: PodPhase
  readonly reason?: string
  readonly message?: string
  readonly conditions: readonly PodCondition[]
  /** Absent, as hostIPs and startTime, while the Pod is on no node. */
  readonly hostIP?: string
  readonly hostIPs?: readonly { readonly ip: string }[]
  readonly podIP?: string
  readonly podIPs?: readonly { readonly ip: string }[]
  readonly startTime?: string
  readonly qosClass: QosClass
  readonly initContainerStatuses?: readonly ContainerStatus[]
  readonly containerStatuses: readonly ContainerStatus[]
  readonly ephemeralContainerStatuses?: readonly EphemeralContainerStatus[]
}

/** What is said of a Pod by others than who runs it: through the API, on its status subresource. */
export interface WrittenStatus {
  /** None of those that are the kubelet's. */
  readonly conditions: readonly PodCondition[]
  /** Only in this phase. */
  readonly phase?: PodPhase
  readonly reason?: string
  readonly message?: string
}

export interface PodFacts {
  readonly pod: Pod
  readonly node: NodeInfo
  readonly podIPs: readonly string[]
  readonly records: ReadonlyMap<string, ContainerRecord>
  readonly startTime: number
  readonly now: number
  /** A sandbox: volumes and network are there, containers can start. */
  readonly sandboxReady: boolean
  /** An IP is kept once it was given, also when the sandbox has gone. */
  readonly sandboxEverReady: boolean
  /** The Pod is to go: nothing starts again. */
  readonly deleting: boolean
  /** Nothing runs any more and nothing will. */
  readonly finished: boolean
  /** All containers are being ended, to begin anew. */
  readonly isRestartingAll: boolean
  readonly written?: WrittenStatus
  /** Failed, whatever its containers did: its deadline has passed, or it was evicted. */
  readonly failure?: { readonly reason: string; readonly message: string }
  /** The node does not take it: nothing of it runs, and nothing will. */
  readonly rejection?: Rejection
  readonly previous?: PodStatus
  /** It is on no node, or on another one. */
  readonly unscheduled?: Unscheduled | 'otherNode'
}

export interface Rejection {
  readonly reason: string
  readonly message: string
}

/** The Pod's status, computed from what the runner knows (docs/kubernetes.md#status-fields). */
export function podStatus(facts: PodFacts): PodStatus {
  const { pod, node, previous, unscheduled } = facts
  if (unscheduled !== undefined) return unscheduledStatus(facts, unscheduled)
  if (facts.rejection !== undefined)
    return rejectedStatus(facts, facts.rejection)
  const stopping =
    facts.deleting || facts.finished || facts.failure !== undefined
  const statuses: StatusByName = new Map(
    everyContainer(pod.spec).map(container => [
      container.name,
      containerStatus(
        pod,
        container,
        facts.records.get(container.name) ?? newRecord,
        stopping,
      ),
    ]),
  )
  const computed =
    facts.failure === undefined
      ? podPhase(pod, statuses, facts.finished)
      : 'Failed'
  const shown = facts.finished ? finalStatuses(facts, statuses) : statuses
  const phase = reportedPhase(computed, facts)
  const cause =
    (facts.finished ? facts.failure : undefined) ?? writtenCause(phase, facts)
  return {
    observedGeneration: generationOf(facts),
    phase,
    ...cause,
    conditions: podConditions(pod, statuses, computed, {
      sandboxReady: facts.sandboxReady,
      isRestartingAll: facts.isRestartingAll,
      others: facts.written?.conditions ?? [],
      observedGeneration: generationOf(facts),
      now: formatTime(facts.now),
      // Stryker disable next-line ArrayDeclaration: what is no condition is none of before
      previous: previous?.conditions ?? [],
    }),
    hostIP: node.ip,
    hostIPs: [{ ip: node.ip }],
    ...addresses(facts),
    startTime: formatTime(facts.startTime),
    qosClass: qosClass(pod),
    ...(pod.spec.initContainers.length === 0
      ? {}
      : { initContainerStatuses: inOrder(pod.spec.initContainers, shown) }),
    containerStatuses: inOrder(
      [...pod.spec.containers].sort((one, other) =>
        // Stryker disable next-line EqualityOperator: no two have one name
        one.name < other.name ? -1 : 1,
      ),
      shown,
    ),
    ...ephemeralStatuses(pod, shown),
  }
}

/** Nobody asks whether they are ready: they count for nothing. */
function ephemeralStatuses(
  { spec }: Pod,
  statuses: StatusByName,
): Pick<PodStatus, 'ephemeralContainerStatuses'> {
  const { ephemeralContainers } = spec
  if (ephemeralContainers === undefined) return {}
  return {
    ephemeralContainerStatuses: inOrder(ephemeralContainers, statuses).map(
      ({ started: _started, ...status }) => ({ ...status, ready: false }),
    ),
  }
}

/** The decision that it is to go is a change of the Pod, too. */
function generationOf({ pod, deleting }: PodFacts): number {
  return (pod.metadata.generation ?? 1) + (deleting ? 1 : 0)
}

/** A reason that others gave stays for as long as the phase does. */
function writtenCause(
  phase: PodPhase,
  { written }: PodFacts,
): Pick<PodStatus, 'reason' | 'message'> {
  if (written === undefined || written.phase !== phase) return {}
  const { reason, message } = written
  return {
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
  }
}

/** As the API server and the scheduler leave it: no kubelet has seen the Pod. */
function unscheduledStatus(
  facts: PodFacts,
  unscheduled: Unscheduled | 'otherNode',
): PodStatus {
  const { pod, now, previous, written } = facts
  const own =
    unscheduled === 'otherNode'
      ? []
      : [
          unscheduledCondition(unscheduled, {
            now: formatTime(now),
            previous: previous?.conditions ?? [],
            observedGeneration: generationOf(facts),
          }),
        ]
  return {
    phase: 'Pending',
    ...writtenCause('Pending', facts),
    conditions: [...(written?.conditions ?? []), ...own],
    qosClass: qosClass(pod),
    containerStatuses: [],
  }
}

/** rejectPod, pkg/kubelet/kubelet.go: it has no sandbox, no address and no containers. */
function rejectedStatus(
  facts: PodFacts,
  { reason, message }: Rejection,
): PodStatus {
  const { pod, now, startTime, previous, written } = facts
  return {
    observedGeneration: generationOf(facts),
    phase: 'Failed',
    reason,
    message: `Pod was rejected: ${message}`,
    conditions: [
      ...(written?.conditions ?? []),
      scheduledCondition({
        now: formatTime(now),
        previous: previous?.conditions ?? [],
        observedGeneration: generationOf(facts),
      }),
    ],
    startTime: formatTime(startTime),
    qosClass: qosClass(pod),
    containerStatuses: [],
  }
}

/** A terminal phase is told only when nothing can run any more, and is never taken back. */
function reportedPhase(
  computed: PodPhase,
  { finished, previous }: PodFacts,
): PodPhase {
  if (previous !== undefined && isTerminalPhase(previous.phase)) {
    return previous.phase
  }
  if (finished) return isTerminalPhase(computed) ? computed : 'Failed'
  return isTerminalPhase(computed) ? (previous?.phase ?? 'Pending') : computed
}

function addresses({ podIPs, sandboxEverReady, pod, node }: PodFacts) {
  const all = pod.spec.hostNetwork ? [node.ip] : podIPs
  const [podIP] = all
  if (podIP === undefined || !sandboxEverReady) return {}
  return { podIP, podIPs: all.map(ip => ({ ip })) }
}

function inOrder(
  containers: readonly Container[],
  statuses: StatusByName,
): readonly ContainerStatus[] {
  // Stryker disable next-line ArrayDeclaration: every container has a status
  return containers.flatMap(({ name }) => statuses.get(name) ?? [])
}

/** What is said of a container that never ran when the Pod has ended (docs/kubernetes.md#phase). */
const neverLocated: ContainerTerminated = {
  exitCode: 137,
  reason: 'ContainerStatusUnknown',
  message: 'The container could not be located when the pod was terminated',
  startedAt: null,
  finishedAt: null,
}

/**
 * Regular containers count as lost once the Pod had initialized; init containers up to the
 * last one that ever started, at least the first (pkg/kubelet/status/status_manager.go).
 */
function finalStatuses(facts: PodFacts, statuses: StatusByName): StatusByName {
  const { pod, records } = facts
  const { initContainers, containers } = pod.spec
  const lastStarted = initContainers.findLastIndex(({ name }) =>
    hasStarted(records.get(name) ?? newRecord),
  )
  const lost = new Set(
    initContainers
      .slice(0, Math.max(1, lastStarted + 1))
      .map(({ name }) => name),
  )
  const last = initContainers.at(-1)
  // Stryker disable next-line StringLiteral: no container is called so
  const lastRecord = records.get(last?.name ?? '') ?? newRecord
  const initialized =
    hasRegularContainerStarted(pod, statuses) ||
    last === undefined ||
    (isSidecar(last)
      ? (lastRecord.running ?? lastRecord.dead)?.started === true
      : lastRecord.dead?.exitCode === 0)
  if (initialized) for (const { name } of containers) lost.add(name)
  return new Map(
    [...statuses].map(([name, status]) => {
      const isLost = lost.has(name) && status.state.terminated === undefined
      const final = isLost
        ? { ...status, state: { terminated: neverLocated } }
        : status
      return [name, final]
    }),
  )
}
