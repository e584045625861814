import type {
  Container,
  CronRules,
  JobRules,
  ObjectMeta,
  Pod,
  PodFailureRule,
  PodSpec,
  Replica,
  Volume,
  WorkloadKind,
} from './types.ts'
import { nameSuffix, withSuffix } from './name-suffix.ts'

/** A workload as decoded, of whatever kind: only what decides about its Pod. */
export interface WorkloadObject {
  readonly kind: WorkloadKind
  readonly metadata: ObjectMeta
  readonly spec: {
    readonly volumeClaimTemplates?: readonly {
      readonly metadata: { readonly name?: string }
    }[]
    readonly serviceName?: string
    readonly ordinals?: { readonly start: number }
    readonly podManagementPolicy?: string
    readonly jobTemplate?: { readonly spec?: JobSpec }
  } & JobSpec &
    CronJobSpec
  readonly template: Pick<ObjectMeta, 'labels' | 'annotations'> & {
    readonly spec: PodSpec
  }
}

interface CronJobSpec {
  readonly schedule?: string
  readonly timeZone?: string
  readonly startingDeadlineSeconds?: number
  readonly concurrencyPolicy?: 'Allow' | 'Forbid' | 'Replace'
}

interface JobSpec {
  readonly completions?: number
  readonly completionMode?: 'NonIndexed' | 'Indexed'
  readonly backoffLimit?: number
  readonly backoffLimitPerIndex?: number
  readonly maxFailedIndexes?: number
  readonly activeDeadlineSeconds?: number
  readonly suspend?: boolean
  readonly podFailurePolicy?: { readonly rules?: readonly PodFailureRule[] }
  readonly manualSelector?: boolean
}

type PodParts = {
  readonly metadata: ObjectMeta
  readonly spec: PodSpec
}

/**
 * The Pod that Kubernetes would make of the template, with what its controller adds. Only the
 * name is podfs's own where Kubernetes rolls dice: a Deployment's `web` is the Pod `web`, not
 * `web-5d8c7f9b6d-x2x7k`, so that its name, address and hostname stay what they are.
 */
export function podOfWorkload(object: WorkloadObject): PodParts {
  const { metadata, template, kind } = object
  const pod: PodParts = {
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace,
      uid: '',
      labels: template.labels,
      annotations: template.annotations,
    },
    spec: template.spec,
  }
  switch (kind) {
    case 'StatefulSet':
      return ofStatefulSet(object, pod)
    case 'Job':
      return ofJob(object.spec, metadata, pod)
    case 'CronJob':
      return ofJob(object.spec.jobTemplate?.spec ?? {}, metadata, pod)
    case 'ReplicationController':
    case 'Deployment':
    case 'DaemonSet':
    case 'ReplicaSet':
  }
  return pod
}

function ofStatefulSet(
  { spec: set }: WorkloadObject,
  { metadata, spec }: PodParts,
): PodParts {
  const ordinal = String(set.ordinals?.start ?? 0)
  const { subdomain: _, ...rest } = spec
  const named = {
    ...rest,
    ...(set.serviceName !== undefined && { subdomain: set.serviceName }),
  }
  const claims = (set.volumeClaimTemplates ?? []).map(
    claim => claim.metadata.name ?? '',
  )
  return withIdentity(
    { metadata, spec: named },
    `${metadata.name}-${ordinal}`,
    { ordinal, claims },
  )
}

/** pkg/controller/statefulset/stateful_set_utils.go: initIdentity, updateStorage. */
function withIdentity(
  { metadata, spec }: PodParts,
  name: string,
  {
    ordinal,
    claims,
  }: { readonly ordinal: string; readonly claims: readonly string[] },
): PodParts {
  const volumes = claims.map((claim): Volume => ({
    name: claim,
    persistentVolumeClaim: { claimName: `${claim}-${name}`, readOnly: false },
  }))
  return {
    metadata: {
      ...metadata,
      name,
      labels: withEntries(metadata.labels, {
        'statefulset.kubernetes.io/pod-name': name,
        'apps.kubernetes.io/pod-index': ordinal,
      }),
    },
    spec: {
      ...spec,
      hostname: name,
      volumes: withClaims(spec.volumes, volumes),
    },
  }
}

/** Of the first Pod; undefined of a kind that has one Pod, or one after the other. */
export function replicaOf({ kind, spec }: WorkloadObject): Replica | undefined {
  switch (kind) {
    case 'StatefulSet':
      return {
        index: 0,
        identity: {
          start: spec.ordinals?.start ?? 0,
          claims: (spec.volumeClaimTemplates ?? []).map(
            ({ metadata }) => metadata.name ?? '',
          ),
          inTurn: spec.podManagementPolicy !== 'Parallel',
        },
      }
    case 'Deployment':
    case 'ReplicaSet':
    case 'ReplicationController':
      return { index: 0 }
    case 'DaemonSet':
    case 'Job':
    case 'CronJob':
  }
  return undefined
}

/**
 * Another Pod than the first of the same workload. Where Kubernetes rolls dice for its name, that
 * hangs on its number here, so that it is the same one each time.
 */
export function podOfReplica(first: Pod, index: number): Pod {
  const { workload, metadata } = first
  const { kind, name, replica } = workload ?? {}
  if (workload === undefined || replica === undefined || index === 0)
    return first
  const pod: Pod = {
    ...first,
    workload: { ...workload, replica: { ...replica, index } },
  }
  if (replica.identity === undefined)
    return {
      ...pod,
      metadata: {
        ...metadata,
        name: withSuffix(
          `${name}-`,
          nameSuffix(`${index}/${kind}/${metadata.namespace}/${name}`),
        ),
      },
    }
  const { start, claims } = replica.identity
  const ordinal = String(start + index)
  return {
    ...pod,
    ...withIdentity(first, `${name}-${ordinal}`, { ordinal, claims }),
  }
}

/** A claim takes the place of the template's volume of the same name. */
function withClaims(
  volumes: readonly Volume[],
  claims: readonly Volume[],
): readonly Volume[] {
  const claimed = (name: string): Volume | undefined =>
    claims.find(claim => claim.name === name)
  return [
    ...volumes.map(volume => claimed(volume.name) ?? volume),
    ...claims.filter(claim => !volumes.some(({ name }) => name === claim.name)),
  ]
}

/** pkg/registry/batch/job/strategy.go, generateSelector. */
function ofJob(
  job: JobSpec,
  owner: ObjectMeta,
  { metadata, spec }: PodParts,
): PodParts {
  const pod: PodParts = {
    metadata: {
      ...metadata,
      labels: new Map([
        ...(job.manualSelector === true
          ? []
          : Object.entries(jobLabels(owner))),
        // What the template says itself stays.
        ...metadata.labels,
      ]),
    },
    spec,
  }
  return job.completionMode === 'Indexed'
    ? withCompletionIndex(pod, owner.name, 0)
    : pod
}

/** A Job's Pod with another index than the one that it has. */
export function podOfIndex(pod: Pod, index: number): Pod {
  const name = pod.workload?.name ?? pod.metadata.name
  return { ...pod, ...withCompletionIndex(pod, name, index) }
}

/** pkg/controller/job/indexed_job_utils.go. */
function withCompletionIndex(
  { metadata, spec }: PodParts,
  job: string,
  index: number,
): PodParts {
  const entry = { [completionIndex]: String(index) }
  return {
    metadata: {
      ...metadata,
      labels: withEntries(metadata.labels, entry),
      annotations: withEntries(metadata.annotations, entry),
    },
    spec: {
      ...spec,
      hostname: `${job}-${index}`,
      containers: spec.containers.map(withIndexVariable),
      initContainers: spec.initContainers.map(withIndexVariable),
    },
  }
}

const completionIndex = 'batch.kubernetes.io/job-completion-index'

/** pkg/apis/batch/v1/defaults.go; parallelism counts for nothing here. */
export function jobRules(object: WorkloadObject): JobRules | undefined {
  const { kind, spec } = object
  if (kind !== 'Job' && kind !== 'CronJob') return undefined
  const job = kind === 'Job' ? spec : (spec.jobTemplate?.spec ?? {})
  const { backoffLimitPerIndex, maxFailedIndexes, activeDeadlineSeconds } = job
  return {
    completions: job.completions ?? 1,
    isIndexed: job.completionMode === 'Indexed',
    backoffLimit:
      job.backoffLimit ?? (backoffLimitPerIndex === undefined ? 6 : 2 ** 31),
    ...(backoffLimitPerIndex !== undefined && { backoffLimitPerIndex }),
    ...(maxFailedIndexes !== undefined && { maxFailedIndexes }),
    ...(activeDeadlineSeconds !== undefined && { activeDeadlineSeconds }),
    suspend: job.suspend === true,
    failureRules: job.podFailurePolicy?.rules ?? [],
  }
}

export function cronRules({
  kind,
  spec,
}: WorkloadObject): CronRules | undefined {
  if (kind !== 'CronJob') return undefined
  const { schedule = '', timeZone, startingDeadlineSeconds } = spec
  return {
    schedule,
    ...(timeZone !== undefined && { timeZone }),
    ...(startingDeadlineSeconds !== undefined && { startingDeadlineSeconds }),
    replaces: spec.concurrencyPolicy === 'Replace',
    suspend: spec.suspend === true,
  }
}

/** By which a Job knows its Pods. */
export function jobLabels({
  name,
  uid,
}: Pick<ObjectMeta, 'name' | 'uid'>): Readonly<Record<string, string>> {
  return {
    'job-name': name,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'batch.kubernetes.io/controller-uid': uid,
  }
}

function withIndexVariable(container: Container): Container {
  const name = 'JOB_COMPLETION_INDEX'
  const valueFrom = {
    fieldRef: { fieldPath: `metadata.labels['${completionIndex}']` },
  }
  return container.env.some(each => each.name === name)
    ? container
    : { ...container, env: [...container.env, { name, valueFrom }] }
}

function withEntries(
  map: ReadonlyMap<string, string>,
  entries: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map([...map, ...Object.entries(entries)])
}
