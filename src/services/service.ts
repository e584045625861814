import type { ObjectMeta, ShownObject } from '../api/types.ts'

/** A Service of core/v1, as decoded: what podfs acts on. */
export interface Service {
  readonly metadata: ObjectMeta
  readonly spec: ServiceSpec
}

export interface ServiceSpec {
  /** ClusterIP, NodePort, LoadBalancer or ExternalName. */
  readonly type: string
  readonly ports?: readonly {
    readonly name?: string
    readonly protocol: string
    readonly appProtocol?: string
    readonly port?: number
    /** A number, or the name of a container's port; absent: as `port`. */
    readonly targetPort?: number | string
  }[]
  readonly selector?: ReadonlyMap<string, string>
  /** `None`: headless. podfs gives an address of its own. */
  readonly clusterIP?: string
  readonly sessionAffinity: string
  readonly sessionAffinityConfig?: {
    readonly clientIP?: { readonly timeoutSeconds?: number }
  }
  readonly externalName?: string
  readonly publishNotReadyAddresses?: boolean
}

export function serviceOf({ metadata, spec }: ShownObject): Service {
  return { metadata, spec: spec as unknown as ServiceSpec }
}

/** Whether it has an address of its own. */
export function hasAddress({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && spec.clusterIP !== 'None'
}

/** Whether Kubernetes looks for Pods of it. */
export function hasSelector({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && (spec.selector?.size ?? 0) > 0
}
