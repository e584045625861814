import {
  container,
  ephemeralContainer,
  resourceRequirements,
} from './container.ts'
import { podSecurityContext } from './security-context.ts'
import {
  affinity,
  localObjectReference,
  oneNode,
  toleration,
  topologySpreadConstraint,
} from './selectors.ts'
import {
  emulated,
  ignored,
  listOf,
  one,
  stringMap,
  strings,
  struct,
  supported,
} from './struct.ts'
import { volume } from './volume.ts'

/** core/v1 PodSpec of v1.34. */
export const podSpec = struct('PodSpec', {
  volumes: supported(listOf(volume), { default: [] }),
  initContainers: supported(listOf(container), { default: [] }),
  containers: supported(listOf(container), { required: true }),
  ephemeralContainers: supported(listOf(ephemeralContainer), {
    reason: 'never in a manifest: podfs debug adds them to a Pod that runs',
  }),
  restartPolicy: supported(
    { enum: ['Always', 'OnFailure', 'Never'] },
    { default: 'Always' },
  ),
  terminationGracePeriodSeconds: supported('int64', { default: 30 }),
  activeDeadlineSeconds: supported('int64'),
  dnsPolicy: supported({
    enum: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
  }),
  dnsConfig: supported(
    one(
      struct('PodDNSConfig', {
        nameservers: supported(strings),
        searches: supported(strings),
        options: supported(
          listOf(
            struct('PodDNSConfigOption', {
              name: supported('string'),
              value: supported('string'),
            }),
          ),
        ),
      }),
    ),
  ),
  nodeSelector: supported(stringMap),
  serviceAccountName: supported('string', { default: 'default' }),
  serviceAccount: supported('string', {
    reason: 'the old name of serviceAccountName',
  }),
  automountServiceAccountToken: supported('boolean'),
  nodeName: supported('string'),
  hostNetwork: supported('boolean', { default: false }),
  hostPID: supported('boolean'),
  hostIPC: supported('boolean'),
  shareProcessNamespace: supported('boolean'),
  securityContext: supported(one(podSecurityContext), { default: {} }),
  imagePullSecrets: emulated(
    listOf(localObjectReference),
    'podfs pulls no image',
  ),
  hostname: supported('string'),
  subdomain: supported('string'),
  setHostnameAsFQDN: supported('boolean', { default: false }),
  hostnameOverride: supported('string', { pointer: true }),
  affinity: supported(one(affinity)),
  schedulerName: ignored('string', oneNode),
  tolerations: supported(listOf(toleration)),
  topologySpreadConstraints: ignored(listOf(topologySpreadConstraint), oneNode),
  hostAliases: supported(
    listOf(
      struct('HostAlias', {
        ip: supported('string', { required: 'elsewhere' }),
        hostnames: supported(strings, { default: [] }),
      }),
    ),
    { default: [] },
  ),
  priorityClassName: ignored('string', oneNode),
  priority: ignored('int32', oneNode),
  preemptionPolicy: ignored('string', oneNode, { pointer: true }),
  readinessGates: supported(
    listOf(struct('PodReadinessGate', { conditionType: supported('string') })),
  ),
  schedulingGates: supported(
    listOf(struct('PodSchedulingGate', { name: supported('string') })),
  ),
  runtimeClassName: ignored('string', 'containers are local processes', {
    pointer: true,
  }),
  enableServiceLinks: supported('boolean'),
  overhead: ignored({ map: 'quantity' }, 'containers are local processes'),
  os: emulated(
    one(struct('PodOS', { name: supported('string') })),
    'containers are processes of this machine, whatever it says; stopSignal needs it',
  ),
  hostUsers: ignored('boolean', 'user namespaces are chosen by podfs'),
  resourceClaims: ignored(
    listOf(
      struct('PodResourceClaim', {
        name: supported('string', { required: 'elsewhere' }),
        resourceClaimName: supported('string', { pointer: true }),
        resourceClaimTemplateName: supported('string', { pointer: true }),
      }),
    ),
    'there are no devices to claim',
  ),
  resources: supported(one(resourceRequirements)),
})
