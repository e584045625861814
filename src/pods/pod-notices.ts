import { restartingFields } from '../api/changed-fields.ts'
import type { Pod } from '../api/types.ts'
import type {
  ContainerState,
  ContainerTerminated,
} from '../runner/status/container-status.ts'
import { deadlineOf } from '../runner/lifecycle/plan.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { isSidecar } from '../runner/lifecycle/restart-policy.ts'

export function podName({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`
}

/** `Pod default/web`; of a workload's Pod what stands in the file: `Deployment default/web`. */
export function sourceName(pod: Pod): string {
  const { metadata, workload } = pod
  return workload === undefined
    ? `Pod ${podName(pod)}`
    : `${workload.kind} ${metadata.namespace}/${workload.name}`
}

const fieldsShown = 3

export function listFields(fields: readonly string[]): string {
  const more = fields.length - fieldsShown
  const shown = fields.slice(0, fieldsShown).join(', ')
  return more > 0 ? `${shown} and ${more} more` : shown
}

/**
 * With --no-recreate: tells once in which fields the file differs from what runs, and when it
 * does no longer.
 */
export class UnappliedChanges {
  readonly #running: Pod
  readonly #notice: (text: string) => void
  #told = ''

  constructor(running: Pod, notice: (text: string) => void) {
    this.#running = running
    this.#notice = notice
  }

  look(pod: Pod): void {
    const fields = listFields(restartingFields(this.#running, pod))
    if (fields === this.#told) return
    this.#told = fields
    this.#notice(
      fields === ''
        ? `${sourceName(pod)}: the file is again what runs`
        : `${sourceName(pod)}: ${fields} changed: end podfs and run it again to apply that`,
    )
  }
}

/** A line for each container that ended and was started again, after what is `known`. */
export function restartTeller(
  labelOf: (container: string) => string,
  notice: (text: string) => void,
  known?: PodStatus,
): (status: PodStatus) => void {
  const restarts = new Map(
    allStatuses(known).map(({ name, restartCount }) => [name, restartCount]),
  )
  return status => {
    for (const { name, restartCount, lastState } of allStatuses(status)) {
      if (restartCount <= (restarts.get(name) ?? 0)) continue
      restarts.set(name, restartCount)
      const { terminated } = lastState
      // Where all containers begin anew 137 is nobody's exit code, and has no times.
      const how =
        terminated === undefined || terminated.startedAt === null
          ? ''
          : ` (${howItEnded(terminated)})`
      notice(
        `container ${labelOf(name)} ended${how} and was started again: restart ${restartCount}`,
      )
    }
  }
}

/** Of 137 alone nobody sees that the memory was not enough. */
function howItEnded({
  reason,
  exitCode,
}: Pick<ContainerTerminated, 'reason' | 'exitCode'>): string {
  return `${reason === 'OOMKilled' ? `${reason}, ` : ''}exit code ${exitCode}`
}

function allStatuses(status: PodStatus | undefined) {
  return [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]
}

/**
 * `Pod default/web has failed: container app: exit code 3`. A container that never ran is not
 * blamed, nor is a sidecar, whose end fails no Pod.
 */
export function failureText(pod: Pod, status: PodStatus): string {
  const { message, initContainerStatuses = [], containerStatuses } = status
  const sidecars = new Set(
    pod.spec.initContainers.filter(isSidecar).map(({ name }) => name),
  )
  const plain = initContainerStatuses.filter(({ name }) => !sidecars.has(name))
  const parts = [
    ...(message === undefined ? [] : [message]),
    ...plain.flatMap(({ name, state }) =>
      hadNotFinished(pod, status, state)
        ? [`init container ${name} had not finished`]
        : failedContainer(`init container ${name}`, state),
    ),
    ...containerStatuses.flatMap(({ name, state }) =>
      failedContainer(`container ${name}`, state),
    ),
  ]
  return [`Pod ${podName(pod)} has failed`, parts.join(', ')]
    .filter(part => part !== '')
    .join(': ')
}

function failedContainer(
  who: string,
  { terminated }: ContainerState,
): string[] {
  if (terminated === undefined || terminated.startedAt === null) return []
  const { exitCode, reason, message = '' } = terminated
  if (exitCode === 0) return []
  // Another message is what the program has said: that is for its status, and for no log.
  return [
    `${who}: ${reason === 'StartError' ? message : howItEnded({ reason, exitCode })}`,
  ]
}

/** The Pod's deadline has ended it, with whatever exit code. */
function hadNotFinished(
  pod: Pod,
  { reason, startTime = '' }: PodStatus,
  { terminated }: ContainerState,
): boolean {
  const deadline = deadlineOf(pod, Date.parse(startTime))
  return (
    reason === 'DeadlineExceeded' &&
    deadline !== undefined &&
    Date.parse(terminated?.finishedAt ?? '') >= deadline
  )
}
