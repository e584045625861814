import type { ShownObject } from '../api/types.ts'
import { isMirrored } from './given-endpoints.ts'
import {
  serviceMembers,
  type CandidatePod,
  type ServiceMember,
} from './service-entry.ts'
import type { Service } from './service.ts'

/** What EndpointSlices and Endpoints are made from. */
export interface ServiceBackends {
  readonly service: Service
  /** Absent: it has no selector. */
  readonly members?: readonly ServiceMember[]
  /** Those of the input, where they count. */
  readonly endpoints?: ShownObject
}

/** Pure. `given`: EndpointSlices and Endpoints of the input. */
export function serviceBackends(
  service: Service,
  pods: readonly CandidatePod[],
  given: readonly ShownObject[],
): ServiceBackends {
  const members = serviceMembers(service, pods)
  const endpoints = given.find(object => isMirrored(service, object))
  return {
    service,
    ...(members && { members }),
    ...(endpoints && { endpoints }),
  }
}
