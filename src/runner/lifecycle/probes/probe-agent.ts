/** What a probe calls itself (pkg/probe/http/request.go): the version of Kubernetes that podfs follows. */
export const probeAgent = 'kube-probe/1.34'
