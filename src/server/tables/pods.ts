import {
  items,
  part,
  text,
  type Json,
  type JsonObject,
} from '../../api/json.ts'
import { ageOf, orNone, type TableFormat } from './table.ts'

/**
 * The columns of `kubectl get pods` (printPod of v1.34, pkg/printers/internalversion;
 * docs/kubernetes.md#columns-of-get-pods).
 */
export const podTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Ready' },
    { name: 'Status' },
    { name: 'Restarts' },
    { name: 'Age' },
    { name: 'IP', priority: 1 },
    { name: 'Node', priority: 1 },
    { name: 'Nominated Node', priority: 1 },
    { name: 'Readiness Gates', priority: 1 },
  ],
  cells: podCells,
}

function podCells(pod: JsonObject, now: number): readonly Json[] {
  const metadata = part(pod, 'metadata')
  const status = part(pod, 'status')
  const { ready, all, reason, restarts, restartedAt } = summary(pod)
  const ago =
    restarts > 0 && restartedAt !== ''
      ? ` (${ageOf(restartedAt, now)} ago)`
      : ''
  const gates = items(part(pod, 'spec'), 'readinessGates')
  return [
    text(metadata['name']),
    `${ready}/${all}`,
    reason,
    `${restarts}${ago}`,
    ageOf(metadata['creationTimestamp'], now),
    orNone(text(part(pod, 'status')['podIP'])),
    orNone(text(part(pod, 'spec')['nodeName'])),
    '<none>',
    gates.length === 0
      ? '<none>'
      : `${gates.filter(({ conditionType }) => hasCondition(status, text(conditionType))).length}/${gates.length}`,
  ]
}

interface Summary {
  ready: number
  all: number
  reason: string
  restarts: number
  /** Of the newest instance that ended; '' when there is none. */
  restartedAt: string
}

function summary(pod: JsonObject): Summary {
  const spec = part(pod, 'spec')
  const status = part(pod, 'status')
  const initContainers = items(spec, 'initContainers')
  const sidecars = new Set(
    initContainers
      .filter(({ restartPolicy }) => restartPolicy === 'Always')
      .map(({ name }) => name),
  )
  const phase = text(status['phase'])
  const result: Summary = {
    ready: 0,
    all: items(spec, 'containers').length + sidecars.size,
    reason: isGated(status)
      ? 'SchedulingGated'
      : text(status['reason']) || phase,
    restarts: 0,
    restartedAt: '',
  }
  const ofSidecars = { restarts: 0, restartedAt: '' }
  let isInitializing = false
  for (const [i, container] of items(
    status,
    'initContainerStatuses',
  ).entries()) {
    const isSidecar = sidecars.has(container['name'] ?? '')
    count(result, container)
    if (isSidecar) count(ofSidecars, container)
    const { terminated, waiting } = stateOf(container)
    if (terminated?.['exitCode'] === 0) continue
    if (isSidecar && container['started'] === true) {
      if (container['ready'] === true) result.ready++
      continue
    }
    isInitializing = true
    const waitsFor = text((waiting ?? {})['reason'])
    if (terminated !== undefined) result.reason = `Init:${endOf(terminated)}`
    else if (waitsFor !== '' && waitsFor !== 'PodInitializing')
      result.reason = `Init:${waitsFor}`
    else result.reason = `Init:${i}/${initContainers.length}`
    break
  }
  if (!isInitializing || hasCondition(status, 'Initialized')) {
    Object.assign(result, ofSidecars)
    const statuses = items(status, 'containerStatuses')
    for (const container of statuses.toReversed()) count(result, container)
    result.reason = reasonOf(result, statuses, status)
  }
  const isTerminal = phase === 'Succeeded' || phase === 'Failed'
  if (part(pod, 'metadata')['deletionTimestamp'] !== undefined && !isTerminal)
    result.reason = 'Terminating'
  return result
}

function isGated(status: JsonObject): boolean {
  return items(status, 'conditions').some(
    ({ type, reason }) =>
      type === 'PodScheduled' && reason === 'SchedulingGated',
  )
}

/** From last to first, so that the first one has the last word. */
function reasonOf(
  result: Summary,
  statuses: readonly JsonObject[],
  status: JsonObject,
): string {
  let { reason } = result
  let hasRunning = false
  for (const container of statuses.toReversed()) {
    const { waiting, terminated, running } = stateOf(container)
    const waitsFor = text((waiting ?? {})['reason'])
    if (waitsFor !== '') reason = waitsFor
    else if (terminated !== undefined) reason = endOf(terminated)
    else if (container['ready'] === true && running !== undefined) {
      hasRunning = true
      result.ready++
    }
  }
  if (reason !== 'Completed' || !hasRunning) return reason
  return hasCondition(status, 'Ready') ? 'Running' : 'NotReady'
}

function endOf(terminated: JsonObject): string {
  return (
    text(terminated['reason']) || `ExitCode:${text(terminated['exitCode'])}`
  )
}

function stateOf(container: JsonObject) {
  const state = part(container, 'state')
  return {
    waiting: state['waiting'] as JsonObject | undefined,
    running: state['running'] as JsonObject | undefined,
    terminated: state['terminated'] as JsonObject | undefined,
  }
}

function count(
  sum: { restarts: number; restartedAt: string },
  container: JsonObject,
): void {
  sum.restarts += Number(container['restartCount'] ?? 0)
  const terminated = part(part(container, 'lastState'), 'terminated')
  const finishedAt = text(terminated['finishedAt'])
  // Times of one form, in UTC: their order is that of the text.
  if (finishedAt > sum.restartedAt) sum.restartedAt = finishedAt
}

function hasCondition(status: JsonObject, type: string): boolean {
  return items(status, 'conditions').some(
    condition => condition['type'] === type && condition['status'] === 'True',
  )
}
