import { service } from '../schema/service.ts'
import type { ObjectSource, ShownObject } from '../types.ts'
import type { Value } from '../value.ts'
import { buildMetadata } from './build-pod.ts'
import { FindingList } from './finding-list.ts'
import { decodeStruct } from './struct-decoder.ts'
import { withUid } from './shown-uid.ts'

/**
 * A Service, to be shown. Undefined for one with mistakes: podfs does nothing with it, so they
 * are nobody's trouble here.
 */
export function decodeService(
  value: Value,
  source: ObjectSource,
  options: { readonly namespace: string },
): ShownObject | undefined {
  const unsaid = new FindingList(source, undefined)
  const decoded = unsaid.bounded(() => decodeStruct(service, value, '', unsaid))
  if (decoded === undefined || unsaid.rejected) return undefined
  const metadata = buildMetadata(decoded['metadata'], options)
  if (metadata.name === '') return undefined
  return {
    kind: 'Service',
    metadata: withUid('Service', metadata),
    source,
    spec: (decoded['spec'] ?? {}) as ShownObject['spec'],
  }
}
