import { objectMeta } from './metadata.ts'
import {
  emulated,
  ignored,
  listOf,
  one,
  stringMap,
  strings,
  struct,
  supported,
  type StructSpec,
} from './struct.ts'

const noBalancer = 'podfs hands on bytes, and knows no more of them'
const ownAddressOnly = 'a Service is reached at its own address only'
const oneMachine = 'there is one node, and IPv4'

const servicePort = struct('ServicePort', {
  name: supported('string'),
  protocol: supported('string', { default: 'TCP' }),
  appProtocol: ignored('string', noBalancer),
  port: supported('int32'),
  targetPort: supported('intOrString'),
  nodePort: ignored('int32', ownAddressOnly),
})

const clientIP = struct('ClientIPConfig', {
  timeoutSeconds: supported('int32'),
})

/**
 * core/v1 Service of v1.34, with the defaults of pkg/apis/core/v1/defaults.go.
 */
export const service: StructSpec = struct('Service', {
  apiVersion: supported('string'),
  kind: supported('string'),
  metadata: supported(one(objectMeta), { default: {} }),
  spec: supported(
    one(
      struct('ServiceSpec', {
        type: supported(
          { enum: ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'] },
          {
            default: 'ClusterIP',
            reason: 'NodePort and LoadBalancer are as ClusterIP',
          },
        ),
        ports: supported(listOf(servicePort)),
        selector: supported(stringMap),
        clusterIP: supported('string', {
          reason: 'None counts; podfs gives any other an address of its own',
        }),
        clusterIPs: emulated(strings, 'podfs gives each an address of its own'),
        externalIPs: ignored(strings, ownAddressOnly),
        sessionAffinity: supported(
          { enum: ['ClientIP', 'None'] },
          { default: 'None' },
        ),
        sessionAffinityConfig: supported(
          one(
            struct('SessionAffinityConfig', {
              clientIP: supported(one(clientIP)),
            }),
          ),
        ),
        loadBalancerIP: ignored('string', ownAddressOnly),
        loadBalancerSourceRanges: ignored(strings, ownAddressOnly),
        loadBalancerClass: ignored('string', ownAddressOnly),
        allocateLoadBalancerNodePorts: ignored('boolean', ownAddressOnly),
        externalName: supported('string'),
        externalTrafficPolicy: ignored('string', ownAddressOnly),
        internalTrafficPolicy: emulated('string', oneMachine),
        healthCheckNodePort: ignored('int32', ownAddressOnly),
        publishNotReadyAddresses: supported('boolean'),
        ipFamilies: emulated(strings, oneMachine),
        ipFamilyPolicy: emulated('string', oneMachine),
        trafficDistribution: emulated('string', oneMachine),
      }),
    ),
    { default: {} },
  ),
  status: supported('any'),
})
