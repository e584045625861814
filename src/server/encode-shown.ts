import { encodeObject } from '../api/encode/encode-object.ts'
import { items, part, text, type JsonObject } from '../api/json.ts'
import type { ShownKind, ShownObject } from '../api/types.ts'
import { jobLabels } from '../api/workload-pod.ts'
import { workloadStatus, type ShownState } from './workload-status.ts'

/** A workload or a Service as the API server would give it out; the status is of the Pod that runs. */
export function encodeShown(
  object: ShownObject,
  generation: number,
  { pods, replicas, job, service }: ShownState,
): JsonObject {
  if (object.kind === 'EndpointSlice' || object.kind === 'Endpoints')
    return encodeObject({ ...object, ...object.spec })
  const encoded = encodeObject(object)
  const metadata = { ...part(encoded, 'metadata'), generation }
  const spec = {
    ...withDefaults(object.kind, { ...encoded, metadata }),
    ...(replicas !== undefined && { replicas }),
    ...(service?.ip !== undefined && {
      clusterIP: service.ip,
      clusterIPs: [service.ip],
    }),
  }
  return {
    ...encoded,
    metadata,
    spec,
    status: workloadStatus(
      object.kind,
      { ...encoded, metadata, spec },
      { pods, replicas, job, service },
    ),
  }
}

const percent = { maxSurge: '25%', maxUnavailable: '25%' }

/** pkg/apis/apps/v1, batch/v1 and core/v1, defaults.go, of v1.34. */
function withDefaults(kind: ShownKind, object: JsonObject): JsonObject {
  const spec = part(object, 'spec')
  const rolling = (type: string, more: JsonObject): JsonObject => ({
    type: 'RollingUpdate',
    ...(text(part(spec, type)['type'] ?? 'RollingUpdate') === 'RollingUpdate'
      ? { rollingUpdate: more }
      : {}),
    ...part(spec, type),
  })
  switch (kind) {
    case 'Deployment':
      return {
        replicas: 1,
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
        ...spec,
        strategy: rolling('strategy', percent),
      }
    case 'StatefulSet':
      return {
        replicas: 1,
        podManagementPolicy: 'OrderedReady',
        revisionHistoryLimit: 10,
        ...spec,
        updateStrategy: rolling('updateStrategy', { partition: 0 }),
      }
    case 'DaemonSet':
      return {
        revisionHistoryLimit: 10,
        ...spec,
        updateStrategy: rolling('updateStrategy', {
          maxSurge: 0,
          maxUnavailable: 1,
        }),
      }
    case 'ReplicaSet':
      return { replicas: 1, ...spec }
    case 'ReplicationController': {
      const labels = part(part(part(spec, 'template'), 'metadata'), 'labels')
      return { replicas: 1, selector: labels, ...spec }
    }
    case 'Job':
      return jobDefaults(object)
    case 'CronJob':
      return {
        concurrencyPolicy: 'Allow',
        suspend: false,
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 1,
        ...spec,
      }
    case 'EndpointSlice':
    case 'Endpoints':
      return spec
    case 'Service':
  }
  return {
    ...spec,
    ...(spec['ports'] === undefined
      ? {}
      : {
          ports: items(spec, 'ports').map(port => ({
            targetPort: port['port'] ?? 0,
            ...port,
          })),
        }),
  }
}

/** The selector and the labels are the API server's (pkg/registry/batch/job/strategy.go). */
function jobDefaults(object: JsonObject): JsonObject {
  const spec = part(object, 'spec')
  const { completions, parallelism, manualSelector } = spec
  const counts = {
    parallelism: 1,
    ...(completions === undefined && parallelism === undefined
      ? { completions: 1 }
      : {}),
  }
  const defaults = {
    ...counts,
    completionMode: 'NonIndexed',
    backoffLimit: 6,
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    ...spec,
  }
  if (manualSelector === true) return defaults
  const template = part(spec, 'template')
  const metadata = part(template, 'metadata')
  const { name, uid } = part(object, 'metadata')
  const labels = jobLabels({ name: text(name), uid: text(uid) })
  return {
    ...defaults,
    selector: {
      matchLabels: { 'batch.kubernetes.io/controller-uid': text(uid) },
    },
    template: {
      ...template,
      metadata: {
        ...metadata,
        labels: { ...labels, ...part(metadata, 'labels') },
      },
    },
  }
}
