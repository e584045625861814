import type { PodEvent } from '../runner/status/pod-events.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'

/** What a probe says may be another thing each time. */
const maxTold = 10

/**
 * Whether a person has to be told of an event: not when a probe of a container says again what it
 * said last, until the container is another one or more or less ready than it was.
 */
export function eventFilter(): {
  readonly isNews: (event: PodEvent) => boolean
  readonly status: (status: PodStatus) => void
} {
  const told = new Map<string, Set<string>>()
  const states = new Map<string, string>()
  return {
    isNews: ({ reason, message, fieldPath = '' }) => {
      if (reason !== 'Unhealthy' && reason !== 'ProbeWarning') return true
      const messages = told.get(fieldPath)
      if (messages?.has(message) === true) return false
      if (messages === undefined || messages.size >= maxTold)
        told.set(fieldPath, new Set([message]))
      else messages.add(message)
      return true
    },
    status: status => {
      const { initContainerStatuses = [], containerStatuses } = status
      for (const [list, field] of [
        [initContainerStatuses, 'initContainers'],
        [containerStatuses, 'containers'],
      ] as const)
        for (const { name, ready, started, restartCount } of list) {
          const fieldPath = `spec.${field}{${name}}`
          const state = JSON.stringify([ready, started, restartCount])
          if (states.get(fieldPath) !== state) told.delete(fieldPath)
          states.set(fieldPath, state)
        }
    },
  }
}
