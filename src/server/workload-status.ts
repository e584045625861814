import { type JsonObject, part, text } from '../api/json.ts'
import type { ShownKind } from '../api/types.ts'
import { formatTime } from '../runner/status/container-status.ts'
import type { ServiceEntry } from '../services/service-table.ts'
import type { JobRecord } from './session-record.ts'

/** A Pod of a workload that podfs runs. */
export interface OwnPod {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly creationTimestamp: string
  /** As the API gives it out. */
  readonly status: JsonObject
  readonly isTerminating: boolean
}

/** What is known of a workload or Service beside what its file says. */
export interface ShownState {
  readonly pods: readonly OwnPod[]
  /** What it was scaled to. */
  readonly replicas: number | undefined
  readonly job: JobRecord | undefined
  readonly service: ServiceEntry | undefined
}

/**
 * What a controller would write into the status if the Pods that podfs runs were its own. So
 * there is one at a time, whatever `replicas` or `completions` say, unless it was scaled.
 */
export function workloadStatus(
  kind: ShownKind,
  object: JsonObject,
  { pods, job, service }: ShownState,
): JsonObject {
  const counts = countsOf(pods)
  const [pod] = pods
  const { generation = 1 } = part(object, 'metadata')
  const observed = { observedGeneration: generation }
  switch (kind) {
    case 'Deployment':
      return { ...observed, ...deploymentStatus(object, counts, pods) }
    case 'StatefulSet':
      return {
        ...observed,
        ...counts,
        availableReplicas: counts.readyReplicas,
        currentReplicas: counts.replicas,
        updatedReplicas: counts.replicas,
      }
    case 'DaemonSet':
      return {
        ...observed,
        // There is one node.
        desiredNumberScheduled: 1,
        currentNumberScheduled: counts.replicas,
        updatedNumberScheduled: counts.replicas,
        numberMisscheduled: 0,
        numberReady: counts.readyReplicas,
        numberAvailable: counts.readyReplicas,
        numberUnavailable: 1 - counts.readyReplicas,
      }
    case 'ReplicaSet':
    case 'ReplicationController':
      return {
        ...observed,
        ...counts,
        fullyLabeledReplicas: counts.replicas,
        availableReplicas: counts.readyReplicas,
      }
    case 'Job':
      return job === undefined
        ? pod === undefined
          ? suspended(object, 'this podfs does not run the Pod')
          : activeStatus(pod)
        : jobStatus(object, job, pod)
    case 'CronJob':
      return cronJobStatus(pod, job)
    case 'EndpointSlice':
    case 'Endpoints':
      return {}
    case 'Service':
  }
  return {
    loadBalancer: {},
    ...(service && { endpoints: endpointsOf(service) }),
  }
}

/**
 * By port, for `podfs describe`: kubectl asks for EndpointSlices, and Kubernetes has no such field.
 */
function endpointsOf({ endpoints, ports }: ServiceEntry): readonly string[] {
  return ports.map((_, i) =>
    endpoints
      .flatMap(({ ip, targets }) =>
        targets[i] === undefined ? [] : `${ip}:${targets[i]}`,
      )
      .join(','),
  )
}

/** One that has ended, or is about to, is none of the replicas (FilterActivePods). */
function countsOf(pods: readonly OwnPod[]) {
  const active = pods.filter(pod => !hasEnded(pod) && !pod.isTerminating)
  return {
    replicas: active.length,
    readyReplicas: active.filter(pod => condition(pod, 'Ready').isTrue).length,
  }
}

function hasEnded({ status }: OwnPod): boolean {
  return status['phase'] === 'Succeeded' || status['phase'] === 'Failed'
}

function condition({ status, creationTimestamp }: OwnPod, type: string) {
  const conditions = (status['conditions'] ?? []) as readonly JsonObject[]
  const found = conditions.find(each => each['type'] === type)
  return {
    isTrue: found?.['status'] === 'True',
    since: text(found?.['lastTransitionTime']) || creationTimestamp,
  }
}

/** pkg/controller/deployment/sync.go, calculateStatus. */
function deploymentStatus(
  object: JsonObject,
  { replicas, readyReplicas }: ReturnType<typeof countsOf>,
  pods: readonly OwnPod[],
): JsonObject {
  const spec = part(object, 'spec')
  const desired = Number(spec['replicas'])
  const enough = desired - maxUnavailable(spec, desired)
  const isAvailable = readyReplicas >= enough
  const isComplete = replicas === desired && readyReplicas >= desired
  const { creationTimestamp } = part(object, 'metadata')
  const since =
    pods
      .map(pod => condition(pod, 'Ready').since)
      .sort()
      .at(-1) ?? text(creationTimestamp)
  const deployed = (type: string, isTrue: boolean, why: string[]) => ({
    type,
    status: isTrue ? 'True' : 'False',
    lastUpdateTime: since,
    lastTransitionTime: since,
    reason: why[0] ?? '',
    message: why[1] ?? '',
  })
  return {
    replicas,
    updatedReplicas: replicas,
    readyReplicas,
    availableReplicas: readyReplicas,
    ...(desired > readyReplicas && {
      unavailableReplicas: desired - readyReplicas,
    }),
    conditions: [
      deployed(
        'Available',
        isAvailable,
        isAvailable
          ? ['MinimumReplicasAvailable', 'Deployment has minimum availability.']
          : [
              'MinimumReplicasUnavailable',
              'Deployment does not have minimum availability.',
            ],
      ),
      deployed(
        'Progressing',
        true,
        isComplete
          ? ['NewReplicaSetAvailable', 'The Pod is ready.']
          : [
              'ReplicaSetUpdated',
              `podfs runs ${pods.length > 1 ? `${pods.length} Pods` : 'one Pod'} of it.`,
            ],
      ),
    ],
  }
}

/** pkg/controller/deployment/util, MaxUnavailable and ResolveFenceposts. */
function maxUnavailable(spec: JsonObject, desired: number): number {
  const { type, rollingUpdate } = part(spec, 'strategy')
  if (type !== 'RollingUpdate') return 0
  const { maxUnavailable: most = '25%', maxSurge = '25%' } = (rollingUpdate ??
    {}) as JsonObject
  const resolved = (value: string, round: (of: number) => number): number =>
    value.endsWith('%')
      ? round((Number.parseInt(value) * desired) / 100)
      : Number(value)
  const surge = resolved(text(maxSurge), Math.ceil)
  const unavailable = resolved(text(most), Math.floor)
  return Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, desired)
}

/** Nobody runs the Pod, or not yet. */
function suspended(job: JsonObject, message: string): JsonObject {
  const since = text(part(job, 'metadata')['creationTimestamp'])
  return {
    conditions: [conditionOf('Suspended', 'JobSuspended', message, since)],
  }
}

function conditionOf(
  type: string,
  reason: string,
  message: string,
  since: string,
): JsonObject {
  return {
    type,
    status: 'True',
    lastProbeTime: since,
    lastTransitionTime: since,
    reason,
    message,
  }
}

function activeStatus(pod: OwnPod | undefined): JsonObject {
  if (pod === undefined || hasEnded(pod)) return { ready: 0 }
  return {
    ...(pod.isTerminating ? { terminating: 1 } : { active: 1 }),
    ready: condition(pod, 'Ready').isTrue ? 1 : 0,
  }
}

/** pkg/controller/job/job_controller.go; a Job has one Pod at a time. */
function jobStatus(
  object: JsonObject,
  { progress, rules, isSuspended, end, endTime }: JobRecord,
  pod: OwnPod | undefined,
): JsonObject {
  const message = 'Job suspended'
  if (progress === undefined)
    return isSuspended ? { ready: 0, ...suspended(object, message) } : {}
  const { startTime, succeeded, failed, index, failedIndexes } = progress
  const since = formatTime(endTime ?? startTime)
  const conditions =
    end === undefined
      ? []
      : [
          end.type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget',
          end.type,
        ].map(type => conditionOf(type, end.reason, end.message, since))
  const done = Array.from({ length: index }, (_, i) => i).filter(
    i => !failedIndexes.includes(i),
  )
  return {
    ...activeStatus(pod),
    ...(isSuspended ? suspended(object, message) : {}),
    startTime: formatTime(startTime),
    ...(succeeded > 0 ? { succeeded } : {}),
    ...(failed > 0 ? { failed } : {}),
    ...(rules.isIndexed && done.length > 0
      ? { completedIndexes: formatIndexes(done) }
      : {}),
    ...(rules.backoffLimitPerIndex === undefined
      ? {}
      : { failedIndexes: formatIndexes(failedIndexes) }),
    ...(end?.type === 'Complete' ? { completionTime: since } : {}),
    ...(conditions.length > 0 ? { conditions } : {}),
    uncountedTerminatedPods: {},
  }
}

/** In ascending order: `0-2,5`, with two in a row as `0,1` (pkg/controller/job/indexed_job_utils.go). */
function formatIndexes(indexes: readonly number[]): string {
  const runs: { first: number; last: number }[] = []
  for (const index of indexes) {
    const run = runs.at(-1)
    if (run?.last === index - 1) run.last = index
    else runs.push({ first: index, last: index })
  }
  return runs
    .map(({ first, last }) =>
      first === last
        ? `${first}`
        : `${first}${last === first + 1 ? ',' : '-'}${last}`,
    )
    .join(',')
}

/** podfs runs the Pod itself, without a Job in between. */
function cronJobStatus(
  pod: OwnPod | undefined,
  job: JobRecord | undefined,
): JsonObject {
  const { progress, lastSuccessTime } = job ?? {}
  const scheduled = progress?.scheduledTime ?? progress?.startTime
  const isActive = pod !== undefined && !hasEnded(pod)
  return {
    ...(isActive ? { active: [referenceTo(pod)] } : {}),
    ...(scheduled === undefined
      ? {}
      : { lastScheduleTime: formatTime(scheduled) }),
    ...(lastSuccessTime === undefined
      ? {}
      : { lastSuccessfulTime: formatTime(lastSuccessTime) }),
  }
}

function referenceTo({ namespace, name, uid }: OwnPod): JsonObject {
  return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid }
}
