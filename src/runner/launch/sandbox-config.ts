import type { Pod } from '../../api/types.ts'
import type { SandboxConfig } from '../sandbox/container-runtime.ts'
import type {
  NetworkProvider,
  Port,
  PortMapping,
} from '../sandbox/network/network-provider.ts'
import type { PodHostname } from './hostname.ts'
import { hasResources, podCgroupResources } from './pod-cgroup-resources.ts'
import { sysctlsOf } from './sysctls.ts'

/** For Pods whose network is their own. */
export interface PodNetworkPlan {
  readonly provider: NetworkProvider
  /** Ports of this machine that somebody wants beside those of the manifest. */
  readonly publish: readonly PortMapping[]
  /** Where a person finds what the manifest names, if not at the Pod's address. */
  readonly places?: readonly PortMapping[]
}

/**
 * Whose namespaces the Pod's containers have (namespacesForPod, pkg/kubelet/kuberuntime/util/util.go),
 * and what they may use together. Without a plan the network is the machine's.
 */
export function sandboxConfig(
  pod: Pod,
  { kernelHostname }: PodHostname,
  network?: PodNetworkPlan,
): SandboxConfig {
  const { hostIPC, hostPID, hostNetwork, shareProcessNamespace } = pod.spec
  const shared = shareProcessNamespace ? 'pod' : 'container'
  const ownNetwork = hostNetwork ? undefined : network
  const sysctls = [
    ...sysctlsOf(pod, 'IPC'),
    ...(ownNetwork === undefined ? [] : sysctlsOf(pod, 'Net')),
  ]
  return {
    ...(kernelHostname === undefined ? {} : { hostname: kernelHostname }),
    ipc: hostIPC ? 'node' : 'pod',
    pid: hostPID ? 'node' : shared,
    ...(hasResources(pod) && { resources: podCgroupResources(pod) }),
    ...(ownNetwork === undefined
      ? {}
      : {
          network: {
            provider: ownNetwork.provider,
            namespace: pod.metadata.namespace,
            name: pod.metadata.name,
            uid: pod.metadata.uid,
            ports: namedPorts(pod),
            portMappings: portMappings(pod, ownNetwork),
            ...(ownNetwork.places && { places: ownNetwork.places }),
          },
        }),
    ...(sysctls.length > 0 && { sysctls }),
  }
}

/** Those of containers, and those that probes and hooks ask. */
export function namedPorts({ spec }: Pod): Port[] {
  const tcp = (port: number | string | undefined): Port[] =>
    typeof port === 'number' && port > 0
      ? [{ containerPort: port, protocol: 'TCP' }]
      : []
  return [...spec.initContainers, ...spec.containers].flatMap(
    ({ ports = [], lifecycle, ...container }) => [
      ...ports.flatMap(({ containerPort, protocol }) =>
        containerPort === undefined ? [] : [{ containerPort, protocol }],
      ),
      ...[
        container.livenessProbe,
        container.readinessProbe,
        container.startupProbe,
        lifecycle?.postStart,
        lifecycle?.preStop,
      ].flatMap(handler => tcp(handler?.httpGet?.port)),
      ...[
        container.livenessProbe,
        container.readinessProbe,
        container.startupProbe,
      ].flatMap(probe => [
        ...tcp(probe?.tcpSocket?.port),
        ...tcp(probe?.grpc?.port),
      ]),
    ],
  )
}

/** Of the containers that go on beside others (generatePodSandboxConfig, pkg/kubelet/kuberuntime/kuberuntime_sandbox.go). */
export function portMappings(
  { spec }: Pod,
  { publish }: Pick<PodNetworkPlan, 'publish'>,
): PortMapping[] {
  const sidecars = spec.initContainers.filter(
    ({ restartPolicy }) => restartPolicy === 'Always',
  )
  const wanted = [...sidecars, ...spec.containers].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, hostIP, protocol }) =>
      hostPort === undefined || hostPort === 0 || containerPort === undefined
        ? []
        : [{ hostPort, containerPort, protocol, ...(hostIP && { hostIP }) }],
    ),
  )
  return [...wanted, ...publish]
}
