import { serviceKinds } from '../schema/service-kinds.ts'
import type { ObjectSource, ServiceKind, ShownObject } from '../types.ts'
import {
  validateEndpoints,
  validateEndpointSlice,
} from '../validation/endpoints.ts'
import { validateService } from '../validation/service.ts'
import type { Value } from '../value.ts'
import { buildMetadata } from './build-pod.ts'
import type { FindingList } from './finding-list.ts'
import { withUid } from './shown-uid.ts'
import { decodeStruct } from './struct-decoder.ts'

const validations = {
  Service: validateService,
  EndpointSlice: validateEndpointSlice,
  Endpoints: validateEndpoints,
} satisfies Record<ServiceKind, unknown>

/** A Service, EndpointSlice or Endpoints, with findings about its fields. */
export function decodeServiceKind(
  kind: ServiceKind,
  value: Value,
  source: ObjectSource,
  options: { readonly namespace: string },
  findings: FindingList,
): ShownObject {
  const { struct } = serviceKinds[kind]
  const {
    apiVersion: _version,
    kind: _kind,
    metadata: given,
    status: _status,
    ...fields
  } = decodeStruct(struct, value, '', findings)
  const metadata = buildMetadata(given, options)
  const object: ShownObject = {
    kind,
    metadata: withUid(kind, metadata),
    source,
    spec:
      kind === 'Service'
        ? ((fields['spec'] ?? {}) as ShownObject['spec'])
        : fields,
  }
  validations[kind](object, findings)
  return object
}
