import { type JsonObject, part, text } from '../api/json.ts'
import type { ShownKind } from '../api/types.ts'

/** The one Pod that podfs runs of a workload. */
export interface OwnPod {
  readonly name: string
  readonly namespace: string
  readonly uid: string
  readonly creationTimestamp: string
  /** As the API gives it out. */
  readonly status: JsonObject
  readonly isTerminating: boolean
}

/**
 * What a controller would write into the status if the Pod that podfs runs were its own. So
 * there is never more than one, whatever `replicas` or `completions` say.
 */
export function workloadStatus(
  kind: ShownKind,
  object: JsonObject,
  pod: OwnPod | undefined,
): JsonObject {
  const counts = countsOf(pod)
  const { generation = 1 } = part(object, 'metadata')
  const observed = { observedGeneration: generation }
  switch (kind) {
    case 'Deployment':
      return { ...observed, ...deploymentStatus(object, counts, pod) }
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
      return pod === undefined ? suspended(object) : jobStatus(pod)
    case 'CronJob':
      return pod === undefined ? {} : cronJobStatus(pod)
    case 'Service':
  }
  return { loadBalancer: {} }
}

/** One that has ended, or is about to, is none of the replicas (FilterActivePods). */
function countsOf(pod: OwnPod | undefined) {
  const isActive = pod !== undefined && !hasEnded(pod) && !pod.isTerminating
  return {
    replicas: isActive ? 1 : 0,
    readyReplicas: isActive && condition(pod, 'Ready').isTrue ? 1 : 0,
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
  pod: OwnPod | undefined,
): JsonObject {
  const spec = part(object, 'spec')
  const desired = Number(spec['replicas'])
  const enough = desired - maxUnavailable(spec, desired)
  const isAvailable = readyReplicas >= enough
  const isComplete = replicas === desired && readyReplicas >= desired
  const { creationTimestamp } = part(object, 'metadata')
  const since = pod ? condition(pod, 'Ready').since : text(creationTimestamp)
  const conditionOf = (type: string, isTrue: boolean, why: string[]) => ({
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
      conditionOf(
        'Available',
        isAvailable,
        isAvailable
          ? ['MinimumReplicasAvailable', 'Deployment has minimum availability.']
          : [
              'MinimumReplicasUnavailable',
              'Deployment does not have minimum availability.',
            ],
      ),
      conditionOf(
        'Progressing',
        true,
        isComplete
          ? ['NewReplicaSetAvailable', 'The Pod is ready.']
          : ['ReplicaSetUpdated', 'podfs runs one Pod of it.'],
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

/** Nobody runs the Pod. */
function suspended(job: JsonObject): JsonObject {
  const since = text(part(job, 'metadata')['creationTimestamp'])
  return {
    conditions: [
      {
        type: 'Suspended',
        status: 'True',
        lastProbeTime: since,
        lastTransitionTime: since,
        reason: 'JobSuspended',
        message: 'this podfs does not run the Pod',
      },
    ],
  }
}

/** pkg/controller/job/job_controller.go; podfs does not run it again when it has failed. */
function jobStatus(pod: OwnPod): JsonObject {
  const { phase, reason, message, startTime } = pod.status
  const isActive = !hasEnded(pod)
  const succeeded = phase === 'Succeeded'
  const end = condition(pod, 'Ready').since
  const ended = (type: string, why: string, what: string): JsonObject[] => [
    {
      type,
      status: 'True',
      lastProbeTime: end,
      lastTransitionTime: end,
      reason: why,
      message: what,
    },
  ]
  return {
    ...(startTime === undefined ? {} : { startTime }),
    ...(isActive ? { active: 1 } : {}),
    ready: isActive && condition(pod, 'Ready').isTrue ? 1 : 0,
    ...(succeeded ? { succeeded: 1, completionTime: finishedAt(pod) } : {}),
    ...(phase === 'Failed' ? { failed: 1 } : {}),
    ...(isActive
      ? {}
      : {
          conditions: succeeded
            ? ended(
                'Complete',
                'CompletionsReached',
                'Reached expected number of succeeded pods',
              )
            : ended(
                'Failed',
                text(reason) === 'DeadlineExceeded'
                  ? 'DeadlineExceeded'
                  : 'BackoffLimitExceeded',
                text(message) || 'podfs does not try again',
              ),
        }),
  }
}

/** When the last of its containers ended. */
function finishedAt(pod: OwnPod): string {
  const statuses = (pod.status['containerStatuses'] ??
    []) as readonly JsonObject[]
  const times = statuses.map(each =>
    text(part(part(each, 'state'), 'terminated')['finishedAt']),
  )
  // Times of one form, in UTC: their order is that of the text.
  return times.toSorted().at(-1) || condition(pod, 'Ready').since
}

/** podfs runs the Pod itself, without a Job in between. */
function cronJobStatus(pod: OwnPod): JsonObject {
  const { namespace, name, uid } = pod
  const { startTime, phase } = pod.status
  return {
    ...(hasEnded(pod)
      ? {}
      : { active: [{ apiVersion: 'v1', kind: 'Pod', namespace, name, uid }] }),
    ...(startTime === undefined ? {} : { lastScheduleTime: startTime }),
    ...(phase === 'Succeeded' ? { lastSuccessfulTime: finishedAt(pod) } : {}),
  }
}
