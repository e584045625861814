import type { ObjectKind, ServedKind, WorkloadKind } from '../types.ts'
import { apiVersions, kinds } from './kinds.ts'
import { service } from './service.ts'
import type { StructSpec } from './struct.ts'
import { workloads } from './workloads.ts'

/** The version and the fields of a kind. */
export function definitionOf(kind: ObjectKind): {
  readonly apiVersion: string
  readonly struct: StructSpec
} {
  if (kind === 'Service') return { apiVersion: 'v1', struct: service }
  return isWorkload(kind)
    ? workloads[kind]
    : { apiVersion: apiVersions[kind][0], struct: kinds[kind] }
}

function isWorkload(kind: ServedKind | WorkloadKind): kind is WorkloadKind {
  return kind in workloads
}
