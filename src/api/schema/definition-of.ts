import type { ObjectKind, ServedKind, WorkloadKind } from '../types.ts'
import { apiVersions, kinds } from './kinds.ts'
import { isServiceKind, serviceKinds } from './service-kinds.ts'
import type { StructSpec } from './struct.ts'
import { workloads } from './workloads.ts'

/** The version and the fields of a kind. */
export function definitionOf(kind: ObjectKind): {
  readonly apiVersion: string
  readonly struct: StructSpec
} {
  if (isServiceKind(kind)) return serviceKinds[kind]
  return isWorkload(kind)
    ? workloads[kind]
    : { apiVersion: apiVersions[kind][0], struct: kinds[kind] }
}

function isWorkload(kind: ServedKind | WorkloadKind): kind is WorkloadKind {
  return kind in workloads
}
