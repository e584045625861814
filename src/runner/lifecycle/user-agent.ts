/**
 * What a request of the kubelet's calls itself (pkg/probe/http/request.go): the version of
 * Kubernetes that podfs follows.
 */
export function userAgent(what: 'probe' | 'lifecycle'): string {
  return `kube-${what}/1.34`
}
