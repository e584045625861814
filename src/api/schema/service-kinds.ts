import type { ServiceKind } from '../types.ts'
import { endpoints, endpointSlice } from './endpoints.ts'
import { service } from './service.ts'
import type { StructSpec } from './struct.ts'

/** Services, and who gets what is sent to one. */
export const serviceKinds: Readonly<
  Record<
    ServiceKind,
    { readonly apiVersion: string; readonly struct: StructSpec }
  >
> = {
  Service: { apiVersion: 'v1', struct: service },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1', struct: endpointSlice },
  Endpoints: { apiVersion: 'v1', struct: endpoints },
}

export function isServiceKind(kind: string): kind is ServiceKind {
  return Object.hasOwn(serviceKinds, kind)
}
