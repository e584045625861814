import { lifecycle, probe } from './handlers.ts'
import { containerSecurityContext } from './security-context.ts'
import {
  envSource,
  keySelector,
  objectFieldSelector,
  resourceFieldSelector,
} from './selectors.ts'
import {
  emulated,
  ignored,
  listOf,
  one,
  rejected,
  strings,
  struct,
  supported,
} from './struct.ts'

const envVar = struct('EnvVar', {
  name: supported('string', { required: true }),
  value: supported('string'),
  valueFrom: supported(
    one(
      struct('EnvVarSource', {
        fieldRef: supported(one(objectFieldSelector)),
        resourceFieldRef: supported(one(resourceFieldSelector)),
        configMapKeyRef: supported(one(keySelector('ConfigMap'))),
        secretKeyRef: supported(one(keySelector('Secret'))),
        fileKeyRef: supported(
          one(
            struct('FileKeySelector', {
              volumeName: supported('string', { required: true }),
              path: supported('string', { required: true }),
              key: supported('string', { required: true }),
              optional: supported('boolean', { default: false }),
            }),
          ),
        ),
      }),
    ),
  ),
})

const envFromSource = struct('EnvFromSource', {
  prefix: supported('string', { default: '' }),
  configMapRef: supported(one(envSource('ConfigMap'))),
  secretRef: supported(one(envSource('Secret'))),
})

/** A process listens where it likes: a remark but for hostPort, and for a probe that names it. */
const containerPort = struct('ContainerPort', {
  name: supported('string'),
  containerPort: supported('int32'),
  protocol: supported('string', { default: 'TCP' }),
  hostPort: emulated(
    'int32',
    'with `network: pod` that port of this machine leads to it; else the container shares the network of this machine, and listens on containerPort itself',
  ),
  hostIP: emulated(
    'string',
    'with `network: pod` hostPort is at that address alone; else the container shares the network of this machine',
  ),
})

const volumeMount = struct('VolumeMount', {
  name: supported('string', { required: true }),
  mountPath: supported('string', { required: true }),
  readOnly: supported('boolean', { default: false }),
  subPath: supported('string'),
  subPathExpr: supported('string'),
  mountPropagation: emulated(
    'string',
    'Bidirectional is as HostToContainer: mounts of a container stay its own',
    { pointer: true },
  ),
  recursiveReadOnly: supported('string', { pointer: true }),
})

export const resourceRequirements = struct('ResourceRequirements', {
  limits: supported({ map: 'quantity' }, { default: new Map() }),
  requests: emulated(
    { map: 'quantity' },
    'nothing is reserved; they count for the scheduling, for the share of the processor and for who is killed first when memory is short',
    { default: new Map() },
  ),
  claims: ignored(
    listOf(
      struct('ResourceClaim', {
        name: supported('string', { required: 'elsewhere' }),
        request: supported('string'),
      }),
    ),
    'there are no devices to claim',
  ),
})

/** Shared by containers, initContainers and ephemeralContainers. */
const containerFields = {
  name: supported('string', { required: true }),
  image: emulated(
    'string',
    'podfs pulls no image; it runs a program of this machine in its place',
    { required: true },
  ),
  command: supported(strings),
  args: supported(strings),
  workingDir: supported('string'),
  ports: supported(listOf(containerPort)),
  env: supported(listOf(envVar), { default: [] }),
  envFrom: supported(listOf(envFromSource), { default: [] }),
  resources: supported(one(resourceRequirements), { default: {} }),
  resizePolicy: ignored(
    listOf(
      struct('ContainerResizePolicy', {
        resourceName: supported('string', { required: 'elsewhere' }),
        restartPolicy: supported('string', { required: 'elsewhere' }),
      }),
    ),
    'other limits make another Pod',
  ),
  restartPolicy: supported('string', { pointer: true }),
  restartPolicyRules: supported(
    listOf(
      struct('ContainerRestartRule', {
        action: supported('string'),
        exitCodes: supported(
          one(
            struct('ContainerRestartRuleOnExitCodes', {
              operator: supported('string'),
              values: supported({ list: 'int32' }),
            }),
          ),
        ),
      }),
    ),
  ),
  volumeMounts: supported(listOf(volumeMount), { default: [] }),
  volumeDevices: rejected(
    listOf(
      struct('VolumeDevice', {
        name: supported('string', { required: true }),
        devicePath: supported('string', { required: true }),
      }),
    ),
    'podfs has no block volumes: use a hostPath of type BlockDevice',
  ),
  livenessProbe: supported(one(probe)),
  readinessProbe: supported(one(probe)),
  startupProbe: supported(one(probe)),
  lifecycle: supported(one(lifecycle)),
  terminationMessagePath: supported('string', {
    default: '/dev/termination-log',
  }),
  terminationMessagePolicy: supported(
    { enum: ['File', 'FallbackToLogsOnError'] },
    { default: 'File' },
  ),
  imagePullPolicy: emulated(
    { enum: ['Always', 'IfNotPresent', 'Never'] },
    'podfs pulls no image',
  ),
  securityContext: supported(one(containerSecurityContext)),
  stdin: supported('boolean'),
  stdinOnce: supported('boolean'),
  tty: supported('boolean'),
}

export const container = struct('Container', containerFields)

export const ephemeralContainer = struct('EphemeralContainer', {
  ...containerFields,
  targetContainerName: supported('string'),
})
