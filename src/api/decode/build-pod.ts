import { nameSuffix, withSuffix } from '../name-suffix.ts'
import { podSpec } from '../schema/pod.ts'
import type { Container, ObjectMeta, PodSpec, Volume } from '../types.ts'
import { FindingList } from './finding-list.ts'
import { decodeStruct } from './struct-decoder.ts'

export function buildMetadata(
  decoded: unknown,
  options: { readonly namespace: string },
): ObjectMeta {
  const metadata = (decoded ?? {}) as Partial<ObjectMeta> & {
    readonly generateName?: string
  }
  return {
    name: metadata.name ?? generatedName(metadata.generateName),
    namespace: metadata.namespace ?? options.namespace,
    // The store gives one when the object first appears.
    uid: metadata.uid ?? '',
    labels: metadata.labels ?? new Map(),
    annotations: metadata.annotations ?? new Map(),
    ...(metadata.creationTimestamp !== undefined && {
      creationTimestamp: metadata.creationTimestamp,
    }),
  }
}

/**
 * A name for an object that only says how its name begins: the same each time it is read,
 * since it is the same object then.
 */
function generatedName(prefix: string | undefined): string {
  if (prefix === undefined) return ''
  return withSuffix(prefix, nameSuffix(prefix))
}

/** Defaults that hang on more than one field (pkg/apis/core/v1/defaults.go). */
export function buildPodSpec(decoded: unknown): PodSpec {
  // Without a spec: what an empty one becomes, so that validation has something to read.
  // The table has told of it.
  const spec = (decoded ??
    decodeStruct(podSpec, null, 'spec', quiet())) as PodSpec & {
    readonly serviceAccount?: string
  }
  const grace = spec.terminationGracePeriodSeconds
  return {
    ...spec,
    volumes: spec.volumes.map(withSource),
    containers: spec.containers?.map(withRequests),
    initContainers: spec.initContainers.map(withRequests),
    // The API server stores a negative grace period as 1.
    terminationGracePeriodSeconds: grace < 0 ? 1 : grace,
    serviceAccountName:
      spec.serviceAccountName === 'default'
        ? (spec.serviceAccount ?? 'default')
        : spec.serviceAccountName,
  }
}

function quiet(): FindingList {
  const nowhere = { path: '', line: 1, column: 1 }
  return new FindingList({ ...nowhere, positionOf: () => nowhere }, undefined)
}

/** SetDefaults_Volume: a volume without a source is an emptyDir. */
function withSource(volume: Volume): Volume {
  return Object.keys(volume).some(key => key !== 'name')
    ? volume
    : { ...volume, emptyDir: { medium: '' } }
}

/** SetDefaults_ResourceList: what is limited and not requested is requested at the limit. */
function withRequests(container: Container): Container {
  const { limits, requests } = container.resources
  return {
    ...container,
    resources: {
      ...container.resources,
      requests: new Map([...limits, ...requests]),
    },
  }
}
