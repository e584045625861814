/**
 * The Kubernetes nouns, as podfs holds them after decoding.
 *
 * Field names and defaults are Kubernetes's own (staging/src/k8s.io/api/core/v1/types.go).
 * Maps whose keys a user chooses (labels, data) are `Map`s, never plain objects: `__proto__`
 * is a legal ConfigMap key. Everything is readonly: an object in the store is never changed,
 * it is replaced.
 *
 * The field tables of schema/ say the same; the end of this file holds the types to them.
 */
import type { NoneLeft } from '../util/none-left.ts'
import type { HandledField, Untied } from './schema/held.ts'
import type { podSpec } from './schema/pod.ts'
import type { volume, volumeProjection } from './schema/volume.ts'

/** A place in an input file; line and column count from 1. */
export interface Position {
  readonly path: string
  readonly line: number
  readonly column: number
}

/** Where an object was read from, for errors that name file, line and column. */
export interface ObjectSource extends Position {
  /**
   * The position of a field, such as `spec.volumes[0].configMap.name`; where that field does
   * not stand in the file, the position of its nearest parent that does.
   */
  readonly positionOf: (fieldPath: string) => Position
}

export interface ObjectMeta {
  readonly name: string
  readonly namespace: string
  /** Given by the manifest, else made by podfs when the object first appears. */
  readonly uid: string
  readonly labels: ReadonlyMap<string, string>
  readonly annotations: ReadonlyMap<string, string>
  /** Set by the store. */
  readonly resourceVersion?: string
  /** Of a Pod: how often its spec was another one, counted from 1. Set by the store. */
  readonly generation?: number
  /** RFC 3339. */
  readonly creationTimestamp?: string
}

interface ObjectBase {
  readonly metadata: ObjectMeta
  readonly source: ObjectSource
}

export interface Secret extends ObjectBase {
  readonly kind: 'Secret'
  readonly type: string
  /** Decoded bytes; `stringData` is already merged in and wins over `data`. */
  readonly data: ReadonlyMap<string, Uint8Array>
  readonly immutable: boolean
}

export interface ConfigMap extends ObjectBase {
  readonly kind: 'ConfigMap'
  readonly data: ReadonlyMap<string, string>
  readonly binaryData: ReadonlyMap<string, Uint8Array>
  readonly immutable: boolean
}

export interface ServiceAccount extends ObjectBase {
  readonly kind: 'ServiceAccount'
  /** Whether Pods that do not say so themselves get its token (automount.ts). */
  readonly automountServiceAccountToken?: boolean
}

export interface Pod extends ObjectBase {
  readonly kind: 'Pod'
  readonly spec: PodSpec
  /** Absent for a Pod that stands in a manifest itself. */
  readonly workload?: Workload
}

export type WorkloadKind =
  | 'Deployment'
  | 'StatefulSet'
  | 'DaemonSet'
  | 'ReplicaSet'
  | 'ReplicationController'
  | 'Job'
  | 'CronJob'

/** The object of whose template a Pod is made. */
export interface Workload {
  readonly kind: WorkloadKind
  readonly name: string
  /** Where the template stands in that object: `spec.template`. */
  readonly templatePath: string
  /** Of a Job, and of the Job that a CronJob would make. */
  readonly job?: JobRules
  /** Of a CronJob. */
  readonly cron?: CronRules
  /** Of one that may have any number of Pods at a time. */
  readonly replica?: Replica
  /** Of a Job's Pod that was started: what came before it. */
  readonly progress?: JobProgress
}

/** Which of the Pods of a workload it is. */
export interface Replica {
  /** From 0. */
  readonly index: number
  /** Of a StatefulSet, whose Pods have a number in their names. */
  readonly identity?: {
    /** The number of the first. */
    readonly start: number
    /** Its volumes of which each Pod has one of its own. */
    readonly claims: readonly string[]
    /** The next one comes when all before it are ready, and goes before them (OrderedReady). */
    readonly inTurn: boolean
  }
}

/** When a Job is done, and how often its Pod is tried; with the API server's defaults. */
export interface JobRules {
  readonly completions: number
  readonly isIndexed: boolean
  readonly backoffLimit: number
  readonly backoffLimitPerIndex?: number
  readonly maxFailedIndexes?: number
  readonly activeDeadlineSeconds?: number
  readonly suspend: boolean
  readonly failureRules: readonly PodFailureRule[]
}

/** When a CronJob makes a Job. */
export interface CronRules {
  readonly schedule: string
  readonly timeZone?: string
  readonly startingDeadlineSeconds?: number
  /** What runs is ended when the next one is due; else that waits for it. */
  readonly replaces: boolean
  readonly suspend: boolean
}

/** Of a podFailurePolicy; the first that matches counts. */
export interface PodFailureRule {
  readonly action?: string
  readonly onExitCodes?: {
    /** Absent: any container. */
    readonly containerName?: string
    readonly operator?: string
    readonly values?: readonly number[]
  }
  readonly onPodConditions?: readonly {
    readonly type?: string
    readonly status?: string
  }[]
}

/** What has become of a Job's Pods so far; plain data, which outlives podfs with the Pod. */
export interface JobProgress {
  /** When the first one was started; milliseconds since 1970. */
  readonly startTime: number
  readonly succeeded: number
  readonly failed: number
  /** Since one succeeded; with backoffLimitPerIndex those of the index. */
  readonly failuresInRow: number
  /** Of an Indexed Job: that of its Pod now. Those before it are done. */
  readonly index: number
  readonly failedIndexes: readonly number[]
  /** Of a CronJob's: when it was due; milliseconds since 1970. */
  readonly scheduledTime?: number
}

/** Of the whole cluster: its namespace is ''. */
export interface ClusterTrustBundle extends ObjectBase {
  readonly kind: 'ClusterTrustBundle'
  readonly spec: {
    readonly signerName?: string
    /** PEM */
    readonly trustBundle: string
  }
}

/**
 * What podfs does nothing with but show it: a Service, and a workload, of which the Pod that
 * runs is an object of its own.
 */
export interface ShownObject extends ObjectBase {
  readonly kind: ShownKind
  /** As decoded with the table of its kind; of one without a spec all that it has beside metadata. */
  readonly spec: Readonly<Record<string, unknown>>
}

export type ServiceKind = 'Service' | 'EndpointSlice' | 'Endpoints'
export type ShownKind = WorkloadKind | ServiceKind

/** What podfs does something with. */
export type ServedObject =
  Secret | ConfigMap | ServiceAccount | ClusterTrustBundle | Pod
export type ServedKind = ServedObject['kind']
export type KubeObject = ServedObject | ShownObject
export type ObjectKind = KubeObject['kind']

export interface PodSpec {
  readonly containers: readonly Container[]
  readonly initContainers: readonly Container[]
  /** Of a Pod that runs: they come through the API alone. */
  readonly ephemeralContainers?: readonly EphemeralContainer[]
  readonly volumes: readonly Volume[]
  readonly restartPolicy: RestartPolicy
  readonly terminationGracePeriodSeconds: number
  readonly activeDeadlineSeconds?: number
  readonly hostNetwork: boolean
  readonly hostPID?: boolean
  readonly hostIPC?: boolean
  readonly shareProcessNamespace?: boolean
  readonly hostAliases: readonly HostAlias[]
  readonly hostname?: string
  readonly subdomain?: string
  readonly setHostnameAsFQDN: boolean
  /** Instead of all three. */
  readonly hostnameOverride?: string
  readonly serviceAccountName: string
  readonly automountServiceAccountToken?: boolean
  readonly nodeName?: string
  readonly nodeSelector?: ReadonlyMap<string, string>
  readonly affinity?: Affinity
  readonly tolerations?: readonly Toleration[]
  readonly schedulingGates?: readonly PodSchedulingGate[]
  /** Conditions, beside those of the containers, without which the Pod is not Ready. */
  readonly readinessGates?: readonly PodReadinessGate[]
  readonly securityContext: PodSecurityContext
  /** Absent: ClusterFirst. */
  readonly dnsPolicy?:
    'ClusterFirstWithHostNet' | 'ClusterFirst' | 'Default' | 'None'
  readonly dnsConfig?: PodDNSConfig
  /** False: no variables for Services. */
  readonly enableServiceLinks?: boolean
  /** Of all containers together. */
  readonly resources?: ResourceRequirements
}

/** What is added to the resolv.conf that dnsPolicy gives. */
export interface PodDNSConfig {
  readonly nameservers?: readonly string[]
  readonly searches?: readonly string[]
  readonly options?: readonly {
    readonly name?: string
    readonly value?: string
  }[]
}

export interface Affinity {
  readonly nodeAffinity?: NodeAffinity
}

export interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: NodeSelector
}

export interface NodeSelector {
  /** One of them must match. */
  readonly nodeSelectorTerms?: readonly NodeSelectorTerm[]
}

export interface NodeSelectorTerm {
  /** Of the node's labels. */
  readonly matchExpressions?: readonly Requirement[]
  /** Of its fields: metadata.name is the only one. */
  readonly matchFields?: readonly Requirement[]
}

export interface Toleration {
  readonly key?: string
  readonly operator?: string
  readonly value?: string
  readonly effect?: string
}

export interface PodSchedulingGate {
  readonly name?: string
}

export interface PodReadinessGate {
  readonly conditionType?: string
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

export interface PodSecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly fsGroup?: number
  /** Always, or OnRootMismatch; of claims. */
  readonly fsGroupChangePolicy?: string
  readonly supplementalGroups?: readonly number[]
  /** Strict, or Merge: with those that the accounts give the user. */
  readonly supplementalGroupsPolicy?: string
  readonly sysctls?: readonly Sysctl[]
  readonly seccompProfile?: SecurityProfile
  readonly appArmorProfile?: SecurityProfile
  readonly seLinuxOptions?: SELinuxOptions
}

export interface SecurityProfile {
  /** Unconfined, RuntimeDefault, or Localhost. */
  readonly type?: string
  /**
   * Of type Localhost: the path of a file in the directory of profiles; of AppArmor, the name of a
   * profile that the kernel has.
   */
  readonly localhostProfile?: string
}

/** The parts of a label; what is not given is as the container run-time has it. */
export interface SELinuxOptions {
  readonly user?: string
  readonly role?: string
  readonly type?: string
  readonly level?: string
}

export interface Sysctl {
  readonly name?: string
  readonly value?: string
}

export interface HostAlias {
  readonly ip: string
  readonly hostnames: readonly string[]
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly workingDir?: string
  readonly env: readonly EnvVar[]
  readonly envFrom: readonly EnvFromSource[]
  readonly volumeMounts: readonly VolumeMount[]
  readonly resources: ResourceRequirements
  readonly ports?: readonly ContainerPort[]
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly startupProbe?: Probe
  readonly lifecycle?: Lifecycle
  /** Instead of the Pod's; `Always` makes an init container a sidecar. */
  readonly restartPolicy?: RestartPolicy
  /** The first that matches counts, before `restartPolicy`, which must stand beside them. */
  readonly restartPolicyRules?: readonly ContainerRestartRule[]
  readonly terminationMessagePath: string
  readonly terminationMessagePolicy: 'File' | 'FallbackToLogsOnError'
  readonly securityContext?: SecurityContext
  /** Whoever attaches can type; else it reads from /dev/null. */
  readonly stdin?: boolean
  /** Its input ends with that of the first who attaches. */
  readonly stdinOnce?: boolean
  readonly tty?: boolean
}

/** Runs once, beside the Pod: no probes, no hooks, no resources, no ports. */
export interface EphemeralContainer extends Container {
  /** In whose PID namespace it is. */
  readonly targetContainerName?: string
}

export interface ContainerRestartRule {
  /** Restart, or RestartAllContainers. */
  readonly action?: string
  readonly exitCodes?: {
    /** In, or NotIn. */
    readonly operator?: string
    readonly values?: readonly number[]
  }
}

export interface SecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly runAsNonRoot?: boolean
  readonly privileged?: boolean
  readonly allowPrivilegeEscalation?: boolean
  readonly readOnlyRootFilesystem?: boolean
  /** Default, or Unmasked. */
  readonly procMount?: string
  readonly seccompProfile?: SecurityProfile
  readonly appArmorProfile?: SecurityProfile
  readonly seLinuxOptions?: SELinuxOptions
  readonly capabilities?: {
    readonly add?: readonly string[]
    readonly drop?: readonly string[]
  }
}

export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: EnvVarSource
}

export interface EnvVarSource {
  readonly fieldRef?: ObjectFieldSelector
  readonly resourceFieldRef?: ResourceFieldSelector
  readonly configMapKeyRef?: KeySelector
  readonly secretKeyRef?: KeySelector
  readonly fileKeyRef?: FileKeySelector
}

export interface KeySelector {
  readonly name: string
  readonly key: string
  readonly optional: boolean
}

/** A variable of a file in an emptyDir. */
export interface FileKeySelector {
  readonly volumeName: string
  /** Relative to the volume. */
  readonly path: string
  readonly key: string
  readonly optional: boolean
}

export interface EnvFromSource {
  readonly prefix: string
  readonly configMapRef?: EnvFromReference
  readonly secretRef?: EnvFromReference
}

export interface EnvFromReference {
  readonly name: string
  readonly optional: boolean
}

export interface ObjectFieldSelector {
  readonly fieldPath: string
}

export interface ResourceFieldSelector {
  readonly containerName?: string
  readonly resource: string
  /** A quantity; `0` and absence mean 1. */
  readonly divisor?: string
}

/** Resource name (`cpu`, `memory`, ...) to quantity, as written. */
export type ResourceList = ReadonlyMap<string, string>

export interface ResourceRequirements {
  readonly limits: ResourceList
  readonly requests: ResourceList
}

export interface Lifecycle {
  readonly postStart?: LifecycleHandler
  readonly preStop?: LifecycleHandler
  /** One of the names of stop-signals.ts. */
  readonly stopSignal?: string
}

export interface LifecycleHandler {
  readonly exec?: ExecAction
  readonly httpGet?: HTTPGetAction
  readonly sleep?: { readonly seconds: number }
}

/** A process listens where it likes; a probe may name its port. */
export interface ContainerPort {
  readonly name?: string
  readonly containerPort?: number
  readonly protocol: string
  readonly hostPort?: number
  readonly hostIP?: string
}

export interface Probe extends ProbeHandler {
  readonly initialDelaySeconds: number
  readonly timeoutSeconds: number
  readonly periodSeconds: number
  readonly successThreshold: number
  readonly failureThreshold: number
  readonly terminationGracePeriodSeconds?: number
}

/** Exactly one is set. */
export interface ProbeHandler {
  readonly exec?: ExecAction
  readonly httpGet?: HTTPGetAction
  readonly tcpSocket?: TCPSocketAction
  readonly grpc?: GRPCAction
}

export interface ExecAction {
  readonly command: readonly string[]
}

export interface HTTPGetAction {
  readonly path: string
  /** A number, or the name of one of the container's ports. */
  readonly port: number | string
  /** Absent: the Pod's address. */
  readonly host?: string
  readonly scheme: 'HTTP' | 'HTTPS'
  readonly httpHeaders?: readonly {
    readonly name?: string
    readonly value?: string
  }[]
}

export interface TCPSocketAction {
  readonly port: number | string
  /** Absent: the Pod's address. */
  readonly host?: string
}

export interface GRPCAction {
  readonly port: number
  readonly service?: string
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly: boolean
  readonly subPath?: string
  readonly subPathExpr?: string
  /** None, HostToContainer, or Bidirectional. */
  readonly mountPropagation?: string
  /** Disabled, IfPossible, or Enabled; with readOnly. */
  readonly recursiveReadOnly?: string
}

/** A source of a volume with which podfs does something. */
export type VolumeKind = Exclude<HandledField<typeof volume>, 'name'>

/** Exactly one of the sources is set. */
export interface Volume {
  readonly name: string
  readonly secret?: SecretVolumeSource
  readonly configMap?: ConfigMapVolumeSource
  readonly downwardAPI?: DownwardAPIVolumeSource
  readonly projected?: ProjectedVolumeSource
  readonly emptyDir?: EmptyDirVolumeSource
  readonly hostPath?: HostPathVolumeSource
  readonly persistentVolumeClaim?: PersistentVolumeClaimVolumeSource
}

export interface KeyToPath {
  readonly key: string
  readonly path: string
  readonly mode?: number
}

export interface SecretVolumeSource {
  readonly secretName: string
  readonly items?: readonly KeyToPath[]
  readonly defaultMode: number
  readonly optional: boolean
}

export interface ConfigMapVolumeSource {
  readonly name: string
  readonly items?: readonly KeyToPath[]
  readonly defaultMode: number
  readonly optional: boolean
}

export interface DownwardAPIVolumeSource {
  readonly items: readonly DownwardAPIVolumeFile[]
  readonly defaultMode: number
}

export interface DownwardAPIVolumeFile {
  readonly path: string
  readonly fieldRef?: ObjectFieldSelector
  readonly resourceFieldRef?: ResourceFieldSelector
  readonly mode?: number
}

export interface ProjectedVolumeSource {
  readonly sources: readonly VolumeProjection[]
  readonly defaultMode: number
}

/** A source of a projected volume of which podfs makes files. */
export type ProjectionKind = HandledField<typeof volumeProjection>

/** At most one of the sources is set. */
export interface VolumeProjection {
  readonly secret?: ObjectProjection
  readonly configMap?: ObjectProjection
  readonly downwardAPI?: { readonly items: readonly DownwardAPIVolumeFile[] }
  readonly serviceAccountToken?: ServiceAccountTokenProjection
  readonly clusterTrustBundle?: ClusterTrustBundleProjection
}

/** SecretProjection and ConfigMapProjection have the same shape. */
export interface ObjectProjection {
  readonly name: string
  readonly items?: readonly KeyToPath[]
  readonly optional: boolean
}

export interface ServiceAccountTokenProjection {
  /** Absent: the issuer's own audience. */
  readonly audience?: string
  readonly expirationSeconds: number
  readonly path: string
}

/** Either by `name`, or all of a signer's that the selector matches. */
export interface ClusterTrustBundleProjection {
  readonly name?: string
  readonly signerName?: string
  /** Absent: none; empty: all. */
  readonly labelSelector?: LabelSelector
  readonly optional?: boolean
  readonly path: string
}

export interface LabelSelector {
  readonly matchLabels?: ReadonlyMap<string, string>
  readonly matchExpressions?: readonly Requirement[]
}

export interface Requirement {
  readonly key?: string
  readonly operator?: string
  readonly values?: readonly string[]
}

export interface EmptyDirVolumeSource {
  /** `''`, `Memory`, or what nothing here can mount. */
  readonly medium: string
  readonly sizeLimit?: string
}

export interface PersistentVolumeClaimVolumeSource {
  readonly claimName: string
  readonly readOnly: boolean
}

export interface HostPathVolumeSource {
  readonly path: string
  readonly type:
    | ''
    | 'DirectoryOrCreate'
    | 'Directory'
    | 'FileOrCreate'
    | 'File'
    | 'Socket'
    | 'CharDevice'
    | 'BlockDevice'
}

/** What the downward API says of the node: this machine. */
export interface NodeInfo {
  readonly name: string
  readonly uid: string
  /** status.hostIP; the first address that is not a loopback one, else 127.0.0.1. */
  readonly ip: string
  /** Resource name to quantity, as `status.allocatable`. */
  readonly allocatable: ResourceList
  readonly labels: ReadonlyMap<string, string>
  readonly taints: readonly Taint[]
}

export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'
}

/** Named, so that tsc's messages have the name and not the whole table. */
interface PodTable {
  readonly spec: typeof podSpec
}
type UntiedIn<Table extends PodTable, T> = Untied<Table['spec'], T>

/** Supported, and of no use to those who act on a decoded Pod. */
type ReadInDecoding =
  /** The old name of serviceAccountName. */
  | 'serviceAccount'
  /** Only v1 exists. */
  | `${string}.fieldRef.apiVersion`
  /** No taint comes while a Pod runs. */
  | 'tolerations.tolerationSeconds'
  /** Any string in the table; what is none of the three words is refused. */
  | `${'containers' | 'initContainers' | 'ephemeralContainers'}.restartPolicy`

/** A type that is not what its table says does not compile, and tsc names the field. */
export type PodSpecIsTied = NoneLeft<
  Exclude<UntiedIn<PodTable, PodSpec>, ReadInDecoding>
>
