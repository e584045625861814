import { hostname } from 'node:os'
import type { JsonObject } from '../api/json.ts'
import { formatTime } from '../runner/status/container-status.ts'
import type { RecordedEvent } from './event-log.ts'

const component = 'podfs'

/** An Event of core/v1, as a kubelet would write it; its source is podfs. */
export function encodeEvent(event: RecordedEvent): JsonObject {
  const { involvedObject, firstTime, lastTime } = event
  const host = hostname().toLowerCase()
  const { fieldPath, ...reference } = involvedObject
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: event.name,
      namespace: involvedObject.namespace,
      uid: event.uid,
      creationTimestamp: formatTime(firstTime),
    },
    involvedObject: {
      apiVersion: 'v1',
      ...reference,
      ...(fieldPath === undefined ? {} : { fieldPath }),
    },
    reason: event.reason,
    message: event.message,
    source: { component, host },
    firstTimestamp: formatTime(firstTime),
    lastTimestamp: formatTime(lastTime),
    count: event.count,
    type: event.type,
    eventTime: null,
    reportingComponent: component,
    reportingInstance: host,
  }
}
