import { everyContainer } from '../../api/every-container.ts'
import type {
  Container,
  Pod,
  ResourceList,
  ResourceRequirements,
} from '../../api/types.ts'
import {
  hasStarted,
  type ContainerRecord,
  type DeadInstance,
  type RunningInstance,
} from '../lifecycle/container-record.ts'
import { isSidecar, shouldRestart } from '../lifecycle/restart-policy.ts'

/** As `kubectl get pod -o json` shows them: the field names and forms of core/v1. */
export interface ContainerStatus {
  readonly name: string
  readonly image: string
  readonly imageID: string
  readonly containerID?: string
  readonly state: ContainerState
  readonly lastState: ContainerState
  readonly ready: boolean
  readonly started: boolean
  readonly restartCount: number
  readonly volumeMounts: readonly VolumeMountStatus[]
  readonly resources?: ResourceRequirementsStatus
  readonly allocatedResources?: Readonly<Record<string, string>>
  /** Only where the manifest has one. */
  readonly stopSignal?: string
}

export type EphemeralContainerStatus = Omit<ContainerStatus, 'started'>

/** At most one of them; none in an empty lastState. */
export interface ContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string }
  readonly running?: { readonly startedAt: string }
  readonly terminated?: ContainerTerminated
}

export interface ContainerTerminated {
  readonly containerID?: string
  readonly exitCode: number
  readonly reason: string
  readonly message?: string
  /** Null for a container that never was found. */
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

export interface VolumeMountStatus {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: true
  readonly recursiveReadOnly?: 'Disabled'
}

export interface ResourceRequirementsStatus {
  readonly limits?: Readonly<Record<string, string>>
  readonly requests?: Readonly<Record<string, string>>
}

/** A container's status, computed from its record (docs/kubernetes.md#container-states). */
export function containerStatus(
  pod: Pod,
  container: Container,
  record: ContainerRecord,
  deleting: boolean,
): ContainerStatus {
  const states = containerStates(pod, container, record, deleting)
  const { running } = shownInstances(record, deleting)
  const containerID = (running ?? record.dead)?.containerID ?? ''
  // Startup probes end with the decision that the Pod is to go, as if they had succeeded.
  const started = running !== undefined && (running.started || deleting)
  const isPlainInit =
    pod.spec.initContainers.includes(container) && !isSidecar(container)
  return {
    name: container.name,
    image: container.image,
    imageID: hasStarted(record) ? container.image : '',
    ...(containerID === '' ? {} : { containerID }),
    ...states,
    ready: isPlainInit
      ? states.state.terminated?.exitCode === 0
      : started && running.ready,
    started,
    restartCount: record.restartCount,
    volumeMounts: container.volumeMounts.map(
      ({ name, mountPath, readOnly }) => ({
        name,
        mountPath,
        ...(readOnly
          ? { readOnly: true as const, recursiveReadOnly: 'Disabled' as const }
          : {}),
      }),
    ),
    ...(hasStarted(record)
      ? {
          ...resourceStatus(container.resources),
          ...(container.lifecycle?.stopSignal && {
            stopSignal: container.lifecycle.stopSignal,
          }),
        }
      : {}),
  }
}

/** One that is about to be replaced is not told of as ended, unless the Pod is to go. */
function shownInstances(
  { running, dead, replaced }: ContainerRecord,
  deleting: boolean,
): {
  readonly running: RunningInstance | undefined
  readonly dead: DeadInstance | undefined
} {
  return replaced === undefined || deleting
    ? { running, dead }
    : { running: replaced.running, dead: replaced.before }
}

function containerStates(
  pod: Pod,
  container: Container,
  record: ContainerRecord,
  deleting: boolean,
): Pick<ContainerStatus, 'state' | 'lastState'> {
  const { failure, isReset } = record
  const { running, dead } = shownInstances(record, deleting)
  const before = isReset ? { terminated: removedForRestart } : {}
  const terminated =
    dead === undefined
      ? undefined
      : { terminated: terminatedState(dead, messageBytes(pod)) }
  if (running !== undefined) {
    const state = { running: { startedAt: formatTime(running.startedAt) } }
    return { state, lastState: terminated ?? before }
  }
  // A reason to wait counts only while the container would be started again.
  const waits =
    failure !== undefined &&
    !deleting &&
    (dead === undefined || shouldRestart(pod, container, dead.exitCode))
  if (waits) {
    const { reason, message } = failure
    return {
      state: { waiting: { reason, message } },
      lastState: terminated ?? before,
    }
  }
  if (terminated !== undefined) return { state: terminated, lastState: before }
  if (isReset) {
    const { reason, message } = removedForRestart
    return { state: { waiting: { reason, message } }, lastState: before }
  }
  const reason =
    pod.spec.initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating'
  return { state: { waiting: { reason } }, lastState: {} }
}

/** What is said of an instance that was taken away because all begin anew; it has no times. */
const removedForRestart = {
  exitCode: 137,
  reason: 'RestartingAllContainers',
  message: 'The container is removed because RestartAllContainers in place',
  startedAt: null,
  finishedAt: null,
} as const

/** How it ended, as far as that counts: now, or before what it waits for. */
export function endOf({
  state,
  lastState,
}: ContainerStatus): ContainerTerminated | undefined {
  const ended = state.terminated ?? lastState.terminated
  return ended?.reason === removedForRestart.reason ? undefined : ended
}

/** What the containers of a Pod may say at their end, in bytes. */
const maxMessagesBytes = 12 * 1024

/** The share of one (normalizeStatus, pkg/kubelet/status/status_manager.go). */
function messageBytes({ spec }: Pod): number {
  return Math.floor(maxMessagesBytes / everyContainer(spec).length)
}

function terminatedState(
  dead: DeadInstance,
  maxBytes: number,
): ContainerTerminated {
  const { containerID, exitCode, reason } = dead
  const message = firstBytes(dead.message, maxBytes)
  return {
    containerID,
    exitCode,
    reason,
    ...(message === undefined ? {} : { message }),
    startedAt: formatTime(dead.startedAt),
    finishedAt: formatTime(dead.finishedAt),
  }
}

function firstBytes(text: string | undefined, max: number): string | undefined {
  if (text === undefined || Buffer.byteLength(text) <= max) return text
  return Buffer.from(text).subarray(0, max).toString()
}

function resourceStatus(
  resources: ResourceRequirements,
): Pick<ContainerStatus, 'resources' | 'allocatedResources'> {
  const limits = listOf(resources.limits)
  const requests = listOf(resources.requests)
  return {
    resources: {
      ...(limits === undefined ? {} : { limits }),
      ...(requests === undefined ? {} : { requests }),
    },
    ...(requests === undefined ? {} : { allocatedResources: requests }),
  }
}

function listOf(list: ResourceList): Record<string, string> | undefined {
  return list.size === 0 ? undefined : Object.fromEntries(list)
}

/** RFC 3339 in whole seconds, as metav1.Time. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
