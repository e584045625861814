import { changedFields } from '../api/changed-fields.ts'
import type { Pod } from '../api/types.ts'
import type { PodStatus } from '../runner/pod-status.ts'

export function podName({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`
}

/**
 * Labels, annotations and volume data are live; the rest of a Pod is as it was started. Tells
 * once in which fields the file differs from what runs, and when it does no longer.
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
    const fields = changedFields(this.#running.spec, pod.spec).join(', ')
    if (fields === this.#told) return
    this.#told = fields
    this.#notice(
      fields === ''
        ? `Pod ${podName(pod)}: the file is again what runs`
        : `Pod ${podName(pod)}: ${fields} changed: end podfs and run it again to apply that`,
    )
  }
}

/** A line for each container that ended and was started again. */
export function restartTeller(
  notice: (text: string) => void,
): (status: PodStatus) => void {
  const restarts = new Map<string, number>()
  return status => {
    for (const { name, restartCount, lastState } of [
      ...(status.initContainerStatuses ?? []),
      ...status.containerStatuses,
    ]) {
      if (restartCount <= (restarts.get(name) ?? 0)) continue
      restarts.set(name, restartCount)
      const { terminated } = lastState
      notice(
        `container ${name} ended${terminated === undefined ? '' : ` (exit code ${terminated.exitCode})`} and was started again: restart ${restartCount}`,
      )
    }
  }
}
