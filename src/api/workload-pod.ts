import type {
  Container,
  ObjectMeta,
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
  } & JobSpec
  readonly template: Pick<ObjectMeta, 'labels' | 'annotations'> & {
    readonly spec: PodSpec
  }
}

interface JobSpec {
  readonly activeDeadlineSeconds?: number
  readonly completionMode?: 'NonIndexed' | 'Indexed'
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

/**
 * pkg/registry/batch/job/strategy.go, generateSelector; pkg/controller/job/indexed_job_utils.go
 * for the Pod with index 0.
 */
function ofJob(
  job: JobSpec,
  owner: ObjectMeta,
  { metadata, spec }: PodParts,
): PodParts {
  const indexed = job.completionMode === 'Indexed'
  const index = { 'batch.kubernetes.io/job-completion-index': '0' }
  const deadline = Math.min(
    spec.activeDeadlineSeconds ?? Infinity,
    job.activeDeadlineSeconds ?? Infinity,
  )
  return {
    metadata: {
      ...metadata,
      labels: new Map([
        ...(job.manualSelector === true
          ? []
          : Object.entries(jobLabels(owner))),
        // What the template says itself stays.
        ...metadata.labels,
        ...(indexed ? Object.entries(index) : []),
      ]),
      ...(indexed && { annotations: withEntries(metadata.annotations, index) }),
    },
    spec: {
      ...spec,
      ...(Number.isFinite(deadline) && { activeDeadlineSeconds: deadline }),
      ...(indexed && {
        hostname: `${owner.name}-0`,
        containers: spec.containers.map(withIndex),
        initContainers: spec.initContainers.map(withIndex),
      }),
    },
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

function withIndex(container: Container): Container {
  const name = 'JOB_COMPLETION_INDEX'
  return container.env.some(each => each.name === name)
    ? container
    : { ...container, env: [...container.env, { name, value: '0' }] }
}

function withEntries(
  map: ReadonlyMap<string, string>,
  entries: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  return new Map([...map, ...Object.entries(entries)])
}
