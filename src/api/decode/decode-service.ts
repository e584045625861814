import { service } from '../schema/service.ts'
import type { ObjectSource, ShownObject } from '../types.ts'
import type { Value } from '../value.ts'
import { buildMetadata } from './build-pod.ts'
import { validateService } from '../validation/service.ts'
import type { FindingList } from './finding-list.ts'
import { decodeStruct } from './struct-decoder.ts'
import { withUid } from './shown-uid.ts'

/** A Service, with findings about its fields. */
export function decodeService(
  value: Value,
  source: ObjectSource,
  options: { readonly namespace: string },
  findings: FindingList,
): ShownObject {
  const decoded = decodeStruct(service, value, '', findings)
  const metadata = buildMetadata(decoded['metadata'], options)
  const object: ShownObject = {
    kind: 'Service',
    metadata: withUid('Service', metadata),
    source,
    spec: (decoded['spec'] ?? {}) as ShownObject['spec'],
  }
  validateService(object, findings)
  return object
}
