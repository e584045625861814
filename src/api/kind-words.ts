import type { ObjectKind } from './types.ts'

/** As `kubectl api-resources` has them. */
export const shortNames: Readonly<Record<ObjectKind, readonly string[]>> = {
  ClusterTrustBundle: [],
  ConfigMap: ['cm'],
  CronJob: ['cj'],
  DaemonSet: ['ds'],
  Deployment: ['deploy'],
  EndpointSlice: [],
  Endpoints: ['ep'],
  Job: [],
  Pod: ['po'],
  ReplicaSet: ['rs'],
  ReplicationController: ['rc'],
  Secret: [],
  Service: ['svc'],
  ServiceAccount: ['sa'],
  StatefulSet: ['sts'],
}

/** What a kind may be called on a command line: kubectl's words for it, in lower case, to the kind. */
export function kindWords<Kind extends ObjectKind>(
  kinds: readonly Kind[],
): ReadonlyMap<string, Kind> {
  return new Map(
    kinds.flatMap(kind => {
      const singular = kind.toLowerCase()
      return [singular, `${singular}s`, ...shortNames[kind]].map(
        word => [word, kind] as const,
      )
    }),
  )
}
