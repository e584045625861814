import { isNamespaced } from '../api/schema/kinds.ts'
import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import type {
  ClusterTrustBundle,
  ConfigMap,
  KubeObject,
  NodeInfo,
  Pod,
  Secret,
  ServedKind,
  ServiceAccountTokenProjection,
} from '../api/types.ts'
import type { Collection } from './collection.ts'

/** Why there is no token; any Error will do. */
export interface TokenFailure {
  readonly message: string
}

/** Of what files are made. */
export interface SourceData {
  readonly pod: Pod
  readonly node: NodeInfo
  /** Looks in the Pod's namespace. */
  readonly secret: (name: string) => Secret | undefined
  /** Looks in the Pod's namespace. */
  readonly configMap: (name: string) => ConfigMap | undefined
  /** All that there are. */
  readonly trustBundles: () => readonly ClusterTrustBundle[]
  readonly token: (
    source: ServiceAccountTokenProjection,
  ) => string | TokenFailure
}

/** Where a source stands in its Pod, and what its volume says for all of its files. */
export interface SourcePlace {
  /** `spec.volumes[2].projected.sources[1].configMap` */
  readonly field: string
  /** Below `field`: the one that names the object. */
  readonly nameField: string
  readonly defaultMode: number
}

/** An object, in the Pod's namespace or in none, whose change concerns a volume. */
export interface ObjectReference {
  readonly kind: Exclude<ServedKind, 'Pod' | 'ServiceAccount'>
  /** Absent: any of the kind. */
  readonly name?: string
}

/** No object is called so. */
// Stryker disable next-line StringLiteral: nor is any called nothing
const any = '*'

/** The key of a volume in this namespace; `keysOfChange` has it, too. */
export function referenceKey(
  { kind, name = any }: ObjectReference,
  namespace: string,
): ObjectKey {
  return objectKey(kind, isNamespaced(kind) ? namespace : '', name)
}

/** The keys of all references that a change of the object concerns. */
export function keysOfChange(object: KubeObject): readonly ObjectKey[] {
  const { kind, metadata } = object
  return [keyOf(object), objectKey(kind, metadata.namespace, any)]
}

/** One kind of source of a volume's files; projection.ts has the tables of all kinds. */
export interface SourceKind<Source> {
  /** Adds the files of the source, or why it has none. */
  readonly collect: (
    source: Source,
    place: SourcePlace,
    data: SourceData,
    collection: Collection,
  ) => void
  readonly references: (source: Source) => readonly ObjectReference[]
}
