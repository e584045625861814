import { objectMeta } from './metadata.ts'
import { podSpec } from './pod.ts'
import { localObjectReference } from './selectors.ts'
import {
  emulated,
  ignored,
  listOf,
  one,
  stringMap,
  struct,
  supported,
  type StructSpec,
} from './struct.ts'
import type { ObjectKind, ServedKind } from '../types.ts'

const head = {
  apiVersion: supported('string'),
  kind: supported('string'),
  metadata: supported(one(objectMeta), { default: {} }),
}
const immutable = supported('boolean', { default: false })

const objectReference = struct('ObjectReference', {
  kind: supported('string'),
  namespace: supported('string'),
  name: supported('string'),
  uid: supported('string'),
  apiVersion: supported('string'),
  resourceVersion: supported('string'),
  fieldPath: supported('string'),
})

const certificates = 'certificates.k8s.io'

/** In which versions a kind is read; in the first one podfs gives it out. */
export const apiVersions: Readonly<
  Record<ServedKind, readonly [string, ...string[]]>
> = {
  Pod: ['v1'],
  Secret: ['v1'],
  ConfigMap: ['v1'],
  ServiceAccount: ['v1'],
  ClusterTrustBundle: [`${certificates}/v1beta1`, `${certificates}/v1alpha1`],
}

/** Whether its objects are in namespaces, not in the cluster as a whole. */
export function isNamespaced(kind: ObjectKind): boolean {
  return kind !== 'ClusterTrustBundle'
}

/** The kinds that podfs does something with. */
export const kinds: Readonly<Record<ServedKind, StructSpec>> = {
  Pod: struct('Pod', {
    ...head,
    spec: supported(one(podSpec), { default: {}, required: 'elsewhere' }),
    // What `kubectl get -o yaml` printed: podfs writes its own.
    status: supported('any', { reason: 'podfs writes the status itself' }),
  }),
  Secret: struct('Secret', {
    ...head,
    type: supported('string', { default: 'Opaque' }),
    data: supported({ map: 'bytes' }, { default: new Map() }),
    stringData: supported(stringMap, { default: new Map() }),
    immutable,
  }),
  ConfigMap: struct('ConfigMap', {
    ...head,
    data: supported(stringMap, { default: new Map() }),
    binaryData: supported({ map: 'bytes' }, { default: new Map() }),
    immutable,
  }),
  ServiceAccount: struct('ServiceAccount', {
    ...head,
    secrets: ignored(
      listOf(objectReference),
      'tokens are signed when a Pod needs them, none is kept in a Secret',
    ),
    imagePullSecrets: emulated(
      listOf(localObjectReference),
      'podfs pulls no image',
    ),
    automountServiceAccountToken: supported('boolean'),
  }),
  ClusterTrustBundle: struct('ClusterTrustBundle', {
    ...head,
    spec: supported(
      one(
        struct('ClusterTrustBundleSpec', {
          signerName: supported('string'),
          trustBundle: supported('string', {
            default: '',
            required: 'elsewhere',
          }),
        }),
      ),
      { default: {} },
    ),
  }),
}
