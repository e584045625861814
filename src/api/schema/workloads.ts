import type { WorkloadKind } from '../types.ts'
import { objectMeta } from './metadata.ts'
import { podSpec } from './pod.ts'
import { labelSelector } from './selectors.ts'
import {
  emulated,
  ignored,
  listOf,
  one,
  stringMap,
  strings,
  struct,
  supported,
  type FieldSpec,
  type StructSpec,
} from './struct.ts'

/**
 * The kinds that hold a Pod template: apps/v1, batch/v1 and core/v1 of v1.34. podfs has no
 * controllers: it runs one Pod of the template, or as many as it was scaled to, and everything that only a controller could
 * do is said here to be emulated or ignored.
 */
const onePod = 'podfs runs one Pod of it, until podfs scale'
const noRollout = 'a change ends the old Pod, then starts the new one'
const noHistory = 'podfs keeps no history'
const lastPodOnly = 'the last Pod alone is kept'
const oneByOne = 'podfs runs the Pods of a Job one after the other'

const status = supported('any', { reason: 'podfs writes the status itself' })

const podTemplate = struct('PodTemplateSpec', {
  metadata: supported(one(objectMeta), { default: {} }),
  spec: supported(one(podSpec), { required: true }),
})
const template = supported(one(podTemplate), { required: true })
const selector = supported(one(labelSelector), { required: true })

const replicas = emulated('int32', onePod)
const minReadySeconds = emulated('int32', 'nothing waits for the Pod')
const revisionHistoryLimit = emulated('int32', noHistory)

function rollout(types: readonly string[], details: StructSpec): FieldSpec {
  return emulated(
    one(
      struct(`${details.name}Strategy`, {
        type: supported({ enum: types }),
        rollingUpdate: supported(one(details)),
      }),
    ),
    noRollout,
  )
}
const surge = {
  maxUnavailable: supported('intOrString'),
  maxSurge: supported('intOrString'),
}

/** What a claim asks for matters to nobody here; its name is the volume's. */
const volumeClaim = struct('PersistentVolumeClaim', {
  apiVersion: supported('string'),
  kind: supported('string'),
  metadata: supported(one(objectMeta), { default: {} }),
  spec: supported(
    one(
      struct('PersistentVolumeClaimSpec', {
        accessModes: supported(strings),
        selector: supported(one(labelSelector)),
        resources: supported(
          one(
            struct('VolumeResourceRequirements', {
              limits: supported({ map: 'quantity' }),
              requests: supported({ map: 'quantity' }),
            }),
          ),
        ),
        volumeName: supported('string'),
        storageClassName: supported('string'),
        volumeMode: supported('string'),
        dataSource: supported('any'),
        dataSourceRef: supported('any'),
        volumeAttributesClassName: supported('string'),
      }),
    ),
  ),
  status,
})

const deploymentSpec = struct('DeploymentSpec', {
  replicas,
  selector,
  template,
  strategy: rollout(
    ['Recreate', 'RollingUpdate'],
    struct('RollingUpdateDeployment', surge),
  ),
  minReadySeconds,
  revisionHistoryLimit,
  paused: emulated('boolean', 'a change is applied at once'),
  progressDeadlineSeconds: emulated('int32', 'nothing waits for the Pod'),
})

const statefulSetSpec = struct('StatefulSetSpec', {
  replicas,
  selector,
  template,
  // Told of each claim by the decoder, with the name of its volume.
  volumeClaimTemplates: supported(listOf(volumeClaim), { default: [] }),
  serviceName: supported('string', {
    reason: "the Pod's subdomain; there is no Service",
  }),
  podManagementPolicy: supported(
    { enum: ['OrderedReady', 'Parallel'] },
    { reason: 'of the Pods that podfs scale adds and takes away' },
  ),
  updateStrategy: rollout(
    ['RollingUpdate', 'OnDelete'],
    struct('RollingUpdateStatefulSet', {
      partition: supported('int32'),
      maxUnavailable: supported('intOrString'),
    }),
  ),
  revisionHistoryLimit,
  minReadySeconds,
  persistentVolumeClaimRetentionPolicy: emulated(
    one(
      struct('StatefulSetPersistentVolumeClaimRetentionPolicy', {
        whenDeleted: supported('string'),
        whenScaled: supported('string'),
      }),
    ),
    'nothing is claimed, and the directories are kept',
  ),
  ordinals: supported(
    one(
      struct('StatefulSetOrdinals', {
        start: supported('int32', { default: 0 }),
      }),
    ),
    { default: {} },
  ),
})

const daemonSetSpec = struct('DaemonSetSpec', {
  selector,
  template,
  updateStrategy: rollout(
    ['RollingUpdate', 'OnDelete'],
    struct('RollingUpdateDaemonSet', surge),
  ),
  minReadySeconds,
  revisionHistoryLimit,
})

const replicaSetSpec = struct('ReplicaSetSpec', {
  replicas,
  minReadySeconds,
  selector,
  template,
})

const replicationControllerSpec = struct('ReplicationControllerSpec', {
  replicas,
  minReadySeconds,
  // Absent: the template's labels.
  selector: supported(stringMap),
  template,
})

const podFailurePolicy = struct('PodFailurePolicy', {
  rules: supported(
    listOf(
      struct('PodFailurePolicyRule', {
        action: supported(
          { enum: ['Count', 'FailIndex', 'FailJob', 'Ignore'] },
          { required: true },
        ),
        onExitCodes: supported(
          one(
            struct('PodFailurePolicyOnExitCodesRequirement', {
              containerName: supported('string'),
              operator: supported(
                { enum: ['In', 'NotIn'] },
                { required: true },
              ),
              values: supported({ list: 'int32' }, { required: true }),
            }),
          ),
        ),
        onPodConditions: supported(
          listOf(
            struct('PodFailurePolicyOnPodConditionsPattern', {
              type: supported('string', { required: true }),
              status: supported('string', { default: 'True' }),
            }),
          ),
        ),
      }),
    ),
    { required: true },
  ),
})

const jobSpec = struct('JobSpec', {
  parallelism: emulated('int32', oneByOne),
  completions: supported('int32', { reason: oneByOne }),
  completionMode: supported(
    { enum: ['NonIndexed', 'Indexed'] },
    { reason: 'one index after the other' },
  ),
  activeDeadlineSeconds: supported('int64'),
  podFailurePolicy: supported(one(podFailurePolicy)),
  successPolicy: ignored('any', 'all completions are waited for'),
  backoffLimit: supported('int32'),
  backoffLimitPerIndex: supported('int32'),
  maxFailedIndexes: supported('int32'),
  selector: supported(one(labelSelector)),
  manualSelector: supported('boolean', { default: false }),
  template,
  ttlSecondsAfterFinished: emulated(
    'int32',
    'what has finished can be looked at until podfs ends, and is not made again',
  ),
  suspend: supported('boolean', {
    reason: 'but podfs run runs what it is told to run by name',
  }),
  podReplacementPolicy: emulated(
    'string',
    'the next Pod is started when the last one has ended',
  ),
  managedBy: ignored('string', 'podfs runs it whoever manages it elsewhere'),
})

const cronJobSpec = struct('CronJobSpec', {
  schedule: supported('string', {
    required: true,
    reason: 'but podfs run runs the job at once, and once',
  }),
  timeZone: supported('string'),
  startingDeadlineSeconds: supported('int64'),
  concurrencyPolicy: emulated(
    { enum: ['Allow', 'Forbid', 'Replace'] },
    'two of its jobs never run at once: Allow is as Forbid',
  ),
  suspend: supported('boolean', {
    reason: 'but podfs run runs what it is told to run by name',
  }),
  jobTemplate: supported(
    one(
      struct('JobTemplateSpec', {
        metadata: supported(one(objectMeta), { default: {} }),
        spec: supported(one(jobSpec), { required: true }),
      }),
    ),
    { required: true },
  ),
  successfulJobsHistoryLimit: emulated('int32', lastPodOnly),
  failedJobsHistoryLimit: emulated('int32', lastPodOnly),
})

export interface WorkloadSpec {
  readonly apiVersion: string
  /** The path of the Pod template in the object. */
  readonly templatePath: string
  readonly struct: StructSpec
}

function workload(
  kind: WorkloadKind,
  apiVersion: string,
  spec: StructSpec,
  templatePath = 'spec.template',
): WorkloadSpec {
  return {
    apiVersion,
    templatePath,
    struct: struct(kind, {
      apiVersion: supported('string'),
      kind: supported('string'),
      metadata: supported(one(objectMeta), { default: {} }),
      spec: supported(one(spec), { required: true }),
      status,
    }),
  }
}

export const workloads: Readonly<Record<WorkloadKind, WorkloadSpec>> = {
  Deployment: workload('Deployment', 'apps/v1', deploymentSpec),
  StatefulSet: workload('StatefulSet', 'apps/v1', statefulSetSpec),
  DaemonSet: workload('DaemonSet', 'apps/v1', daemonSetSpec),
  ReplicaSet: workload('ReplicaSet', 'apps/v1', replicaSetSpec),
  ReplicationController: workload(
    'ReplicationController',
    'v1',
    replicationControllerSpec,
  ),
  Job: workload('Job', 'batch/v1', jobSpec),
  CronJob: workload(
    'CronJob',
    'batch/v1',
    cronJobSpec,
    'spec.jobTemplate.spec.template',
  ),
}

export const workloadKinds = Object.keys(workloads) as WorkloadKind[]
