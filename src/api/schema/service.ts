import { objectMeta } from './metadata.ts'
import {
  listOf,
  one,
  stringMap,
  strings,
  struct,
  supported,
  type StructSpec,
} from './struct.ts'

const servicePort = struct('ServicePort', {
  name: supported('string'),
  protocol: supported('string', { default: 'TCP' }),
  appProtocol: supported('string'),
  port: supported('int32'),
  targetPort: supported('intOrString'),
  nodePort: supported('int32'),
})

const clientIP = struct('ClientIPConfig', {
  timeoutSeconds: supported('int32'),
})

/**
 * core/v1 Service of v1.34, with the defaults of pkg/apis/core/v1/defaults.go. podfs does
 * nothing with a Service, so nothing is said of its fields; `podfs get` shows them.
 */
export const service: StructSpec = struct('Service', {
  apiVersion: supported('string'),
  kind: supported('string'),
  metadata: supported(one(objectMeta), { default: {} }),
  spec: supported(
    one(
      struct('ServiceSpec', {
        type: supported('string', { default: 'ClusterIP' }),
        ports: supported(listOf(servicePort)),
        selector: supported(stringMap),
        clusterIP: supported('string'),
        clusterIPs: supported(strings),
        externalIPs: supported(strings),
        sessionAffinity: supported('string', { default: 'None' }),
        sessionAffinityConfig: supported(
          one(
            struct('SessionAffinityConfig', {
              clientIP: supported(one(clientIP)),
            }),
          ),
        ),
        loadBalancerIP: supported('string'),
        loadBalancerSourceRanges: supported(strings),
        loadBalancerClass: supported('string'),
        allocateLoadBalancerNodePorts: supported('boolean'),
        externalName: supported('string'),
        externalTrafficPolicy: supported('string'),
        internalTrafficPolicy: supported('string'),
        healthCheckNodePort: supported('int32'),
        publishNotReadyAddresses: supported('boolean'),
        ipFamilies: supported(strings),
        ipFamilyPolicy: supported('string'),
        trafficDistribution: supported('string'),
      }),
    ),
    { default: {} },
  ),
  status: supported('any'),
})
