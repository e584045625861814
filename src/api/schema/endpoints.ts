import { objectMeta } from './metadata.ts'
import {
  emulated,
  ignored,
  listOf,
  one,
  strings,
  struct,
  supported,
  type StructSpec,
} from './struct.ts'

const oneMachine = 'there is one node'
const shownOnly = 'it is shown, and changes nothing'

const head = {
  apiVersion: supported('string'),
  kind: supported('string'),
  metadata: supported(one(objectMeta), { default: {} }),
}

const endpointPort = struct('EndpointPort', {
  name: supported('string'),
  protocol: supported('string', { default: 'TCP' }),
  port: supported('int32'),
  appProtocol: emulated('string', shownOnly),
})

/** discovery/v1 EndpointSlice of v1.34, with the defaults of pkg/apis/discovery/v1/defaults.go. */
export const endpointSlice: StructSpec = struct('EndpointSlice', {
  ...head,
  addressType: supported(
    { enum: ['FQDN', 'IPv4', 'IPv6'] },
    { required: 'elsewhere' },
  ),
  endpoints: supported(
    listOf(
      struct('Endpoint', {
        addresses: supported(strings, { required: 'elsewhere' }),
        conditions: supported(
          one(
            struct('EndpointConditions', {
              ready: supported('boolean'),
              serving: supported('boolean'),
              terminating: supported('boolean'),
            }),
          ),
        ),
        hostname: supported('string'),
        targetRef: emulated('any', shownOnly),
        deprecatedTopology: ignored('any', oneMachine),
        nodeName: emulated('string', shownOnly),
        zone: emulated('string', shownOnly),
        hints: ignored('any', oneMachine),
      }),
    ),
  ),
  ports: supported(listOf(endpointPort)),
})

const addresses = listOf(
  struct('EndpointAddress', {
    ip: supported('string', { required: 'elsewhere' }),
    hostname: supported('string'),
    nodeName: emulated('string', shownOnly),
    targetRef: emulated('any', shownOnly),
  }),
)

/** core/v1 Endpoints of v1.34. */
export const endpoints: StructSpec = struct('Endpoints', {
  ...head,
  subsets: supported(
    listOf(
      struct('EndpointSubset', {
        addresses: supported(addresses),
        notReadyAddresses: supported(addresses),
        ports: supported(listOf(endpointPort)),
      }),
    ),
  ),
})
