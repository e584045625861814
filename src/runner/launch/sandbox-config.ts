import type { Pod } from '../../api/types.ts'
import type { SandboxConfig } from '../sandbox/container-runtime.ts'
import type {
  NetworkProvider,
  PortMapping,
} from '../sandbox/network/network-provider.ts'
import type { PodHostname } from './hostname.ts'

/** For Pods whose network is their own. */
export interface PodNetworkPlan {
  readonly provider: NetworkProvider
  /** Ports of this machine that somebody wants beside those of the manifest. */
  readonly publish: readonly PortMapping[]
}

/**
 * Whose namespaces the Pod's containers have (namespacesForPod, pkg/kubelet/kuberuntime/util/util.go).
 * Without a plan the network is the machine's.
 */
export function sandboxConfig(
  pod: Pod,
  { kernelHostname }: PodHostname,
  network?: PodNetworkPlan,
): SandboxConfig {
  const { hostIPC, hostPID, hostNetwork, shareProcessNamespace } = pod.spec
  const shared = shareProcessNamespace ? 'pod' : 'container'
  return {
    ...(kernelHostname === undefined ? {} : { hostname: kernelHostname }),
    ipc: hostIPC ? 'node' : 'pod',
    pid: hostPID ? 'node' : shared,
    ...(network === undefined || hostNetwork
      ? {}
      : {
          network: {
            provider: network.provider,
            namespace: pod.metadata.namespace,
            name: pod.metadata.name,
            uid: pod.metadata.uid,
            portMappings: portMappings(pod, network),
          },
        }),
  }
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
