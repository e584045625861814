import type {
  Container,
  ContainerPort,
  ExecAction,
  LabelSelector,
  LifecycleHandler,
  NodeSelectorTerm,
  ObjectMeta,
  PodSecurityContext,
  PodSpec,
  Probe,
  ProbeHandler,
  ResourceRequirements,
  SecurityContext,
  Toleration,
  VolumeMount,
} from '../types.ts'

/**
 * All that the field tables decode, also what podfs ignores: validation looks at it, nothing
 * else does. What a manifest leaves out is undefined, also where Kubernetes requires it.
 */
export interface PodFields extends Omit<
  PodSpec,
  'containers' | 'initContainers' | 'ephemeralContainers' | 'securityContext'
> {
  readonly containers?: readonly ContainerFields[]
  readonly initContainers: readonly ContainerFields[]
  readonly ephemeralContainers?: readonly EphemeralContainerFields[]
  readonly securityContext: PodSecurityFields
  readonly hostUsers?: boolean
  readonly affinity?: Affinity
  readonly tolerations?: readonly TolerationFields[]
  readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[]
  readonly imagePullSecrets?: readonly { readonly name?: string }[]
  readonly readinessGates?: readonly { readonly conditionType?: string }[]
  readonly priorityClassName?: string
  readonly runtimeClassName?: string
  readonly preemptionPolicy?: string
  readonly overhead?: ReadonlyMap<string, string>
  readonly os?: { readonly name?: string }
  readonly resourceClaims?: readonly PodResourceClaim[]
  readonly resources?: ResourceFields
}

export interface ContainerFields extends Omit<
  Container,
  | 'image'
  | 'securityContext'
  | 'lifecycle'
  | 'resources'
  | 'volumeMounts'
  | 'ports'
  | 'livenessProbe'
  | 'readinessProbe'
  | 'startupProbe'
> {
  readonly image?: string
  readonly ports?: readonly ContainerPortFields[]
  readonly resources: ResourceFields
  readonly resizePolicy?: readonly ResizePolicy[]
  readonly volumeMounts: readonly VolumeMountFields[]
  readonly lifecycle?: LifecycleFields
  readonly livenessProbe?: ProbeFields
  readonly readinessProbe?: ProbeFields
  readonly startupProbe?: ProbeFields
  readonly securityContext?: SecurityFields
}

export interface EphemeralContainerFields extends ContainerFields {
  readonly targetContainerName?: string
}

export interface ContainerPortFields extends ContainerPort {
  readonly hostPort?: number
  readonly hostIP?: string
}

export interface VolumeMountFields extends Omit<
  VolumeMount,
  'name' | 'mountPath'
> {
  readonly name?: string
  readonly mountPath?: string
}

export interface ResourceFields extends ResourceRequirements {
  readonly claims?: readonly {
    readonly name?: string
    readonly request?: string
  }[]
}

export interface ResizePolicy {
  readonly resourceName?: string
  readonly restartPolicy?: string
}

export interface PodResourceClaim {
  readonly name?: string
  readonly resourceClaimName?: string
  readonly resourceClaimTemplateName?: string
}

/** What a probe and a hook may do; exactly one. */
export interface Handler {
  readonly exec?: ExecAction
  readonly httpGet?: {
    readonly port?: number | string
    readonly httpHeaders?: readonly { readonly name?: string }[]
  }
  readonly tcpSocket?: { readonly port?: number | string }
  readonly grpc?: { readonly port?: number }
  readonly sleep?: NonNullable<LifecycleHandler['sleep']>
}

export interface LifecycleFields {
  readonly postStart?: Handler
  readonly preStop?: Handler
  readonly stopSignal?: string
}

export interface ProbeFields extends Handler, Omit<Probe, keyof ProbeHandler> {}

export interface Profile {
  readonly type?: string
  readonly localhostProfile?: string
}

export interface WindowsOptions {
  readonly gmsaCredentialSpecName?: string
  readonly gmsaCredentialSpec?: string
  readonly runAsUserName?: string
  readonly hostProcess?: boolean
}

interface SharedSecurityFields {
  readonly runAsNonRoot?: boolean
  readonly seccompProfile?: Profile
  readonly appArmorProfile?: Profile
  readonly windowsOptions?: WindowsOptions
}

export interface SecurityFields extends SecurityContext, SharedSecurityFields {
  readonly readOnlyRootFilesystem?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly procMount?: string
}

export interface PodSecurityFields
  extends PodSecurityContext, SharedSecurityFields {
  readonly supplementalGroupsPolicy?: string
  readonly fsGroupChangePolicy?: string
  readonly seLinuxChangePolicy?: string
  readonly sysctls?: readonly { readonly name?: string }[]
}

export interface PodAffinityTerm {
  readonly labelSelector?: LabelSelector
  readonly namespaceSelector?: LabelSelector
  readonly namespaces?: readonly string[]
  readonly topologyKey?: string
  readonly matchLabelKeys?: readonly string[]
  readonly mismatchLabelKeys?: readonly string[]
}

export interface PodAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly PodAffinityTerm[]
  readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
    readonly weight?: number
    readonly podAffinityTerm?: PodAffinityTerm
  }[]
}

export interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly NodeSelectorTerm[]
    }
    readonly preferredDuringSchedulingIgnoredDuringExecution?: readonly {
      readonly weight?: number
      readonly preference?: NodeSelectorTerm
    }[]
  }
  readonly podAffinity?: PodAffinity
  readonly podAntiAffinity?: PodAffinity
}

export interface TolerationFields extends Toleration {
  readonly tolerationSeconds?: number
}

export interface TopologySpreadConstraint {
  readonly maxSkew?: number
  readonly topologyKey?: string
  readonly whenUnsatisfiable?: string
  readonly labelSelector?: LabelSelector
  readonly minDomains?: number
  readonly nodeAffinityPolicy?: string
  readonly nodeTaintsPolicy?: string
  readonly matchLabelKeys?: readonly string[]
}

/** Metadata that only validation reads. */
export interface MetadataFields extends ObjectMeta {
  readonly generateName?: string
  readonly generation?: number
  readonly finalizers?: readonly string[]
  readonly ownerReferences?: readonly OwnerReference[]
}

export interface OwnerReference {
  readonly apiVersion?: string
  readonly kind?: string
  readonly name?: string
  readonly uid?: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** Each container of a Pod with its path, in the order of the API server. */
export function containersOf(
  spec: PodFields,
): (readonly [path: string, container: ContainerFields])[] {
  return (
    ['initContainers', 'containers', 'ephemeralContainers'] as const
  ).flatMap(list =>
    (spec[list] ?? []).map(
      (container, i) => [`spec.${list}[${i}]`, container] as const,
    ),
  )
}
