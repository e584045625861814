import type {
  Container,
  CronRules,
  JobRules,
  ObjectMeta,
  Pod,
  PodFailureRule,
  PodSpec,
  Volume,
  WorkloadKind,
} from './types.ts'

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

/** pkg/controller/statefulset/stateful_set_utils.go: initIdentity, updateStorage. */
function ofStatefulSet(
  { spec: set }: WorkloadObject,
  { metadata, spec }: PodParts,
): PodParts {
  const ordinal = String(set.ordinals?.start ?? 0)
  const name = `${metadata.name}-${ordinal}`
  const claims = (set.volumeClaimTemplates ?? []).map(
    ({ metadata }): Volume => ({
      name: metadata.name ?? '',
      persistentVolumeClaim: {
        claimName: `${metadata.name ?? ''}-${name}`,
        readOnly: false,
      },
    }),
  )
  const { subdomain: _, ...rest } = spec
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
      ...rest,
      hostname: name,
      ...(set.serviceName !== undefined && { subdomain: set.serviceName }),
      volumes: withClaims(spec.volumes, claims),
    },
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
