import {
  emulated,
  ignored,
  listOf,
  stringMap,
  strings,
  struct,
  supported,
} from './struct.ts'

const byPodfs = 'podfs keeps this field itself'

/** meta/v1 ObjectMeta. */
export const objectMeta = struct('ObjectMeta', {
  name: supported('string'),
  generateName: emulated(
    'string',
    'without a name podfs makes up one, the same each time',
  ),
  namespace: supported('string'),
  uid: supported('string'),
  labels: supported(stringMap),
  annotations: supported(stringMap),
  // `kubectl get -o yaml` prints these; a person who saved that output means no harm, and
  // hearing of each of them would hide what matters.
  creationTimestamp: supported('string', { reason: 'kept where it is given' }),
  resourceVersion: supported('string', { reason: byPodfs }),
  generation: supported('int64', { reason: byPodfs }),
  selfLink: supported('string', { reason: byPodfs }),
  managedFields: supported(
    listOf(
      struct('ManagedFieldsEntry', {
        manager: supported('string'),
        operation: supported('string'),
        apiVersion: supported('string'),
        time: supported('string'),
        fieldsType: supported('string'),
        fieldsV1: supported('any'),
        subresource: supported('string'),
      }),
    ),
    { reason: byPodfs },
  ),
  deletionTimestamp: ignored('string', byPodfs),
  deletionGracePeriodSeconds: ignored('int64', byPodfs),
  ownerReferences: ignored(
    listOf(
      struct('OwnerReference', {
        apiVersion: supported('string'),
        kind: supported('string'),
        name: supported('string'),
        uid: supported('string'),
        controller: supported('boolean'),
        blockOwnerDeletion: supported('boolean'),
      }),
    ),
    'nothing is deleted because its owner is gone',
  ),
  finalizers: ignored(strings, 'nothing waits for a finalizer'),
})
