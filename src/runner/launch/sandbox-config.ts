import type { Pod } from '../../api/types.ts'
import type { SandboxConfig } from '../sandbox/container-runtime.ts'
import type { PodHostname } from './hostname.ts'

/**
 * Whose namespaces the Pod's containers have (namespacesForPod, pkg/kubelet/kuberuntime/util/util.go).
 * The network is the machine's.
 */
export function sandboxConfig(
  { spec }: Pod,
  { kernelHostname }: PodHostname,
): SandboxConfig {
  const { hostIPC, hostPID, shareProcessNamespace } = spec
  const shared = shareProcessNamespace ? 'pod' : 'container'
  return {
    ...(kernelHostname === undefined ? {} : { hostname: kernelHostname }),
    ipc: hostIPC ? 'node' : 'pod',
    pid: hostPID ? 'node' : shared,
  }
}
