import type {
  ClusterTrustBundle,
  ConfigMap,
  Container,
  NodeInfo,
  ObjectMeta,
  ObjectSource,
  Pod,
  PodSpec,
  Probe,
  Secret,
} from '../../src/api/types.ts'
import type { NodePolicy } from '../../src/runner/launch/node-policy.ts'

/*
 * Decoded objects with the defaults that a test does not care about.
 */

type StringMap = Readonly<Record<string, string>>

interface MetaOptions {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly labels?: StringMap | ReadonlyMap<string, string>
  readonly annotations?: StringMap | ReadonlyMap<string, string>
}

/** That of a podfs.yaml which says nothing. */
export const usualPolicy: NodePolicy = {
  hostDirectories: ['/*'],
  visible: [],
  privileged: 'allow',
  allowedUnsafeSysctls: [],
  seccompProfiles: '/var/lib/podfs/seccomp',
}

export function makeContainer(options: Partial<Container> = {}): Container {
  return {
    name: 'main',
    image: 'busybox',
    env: [],
    envFrom: [],
    volumeMounts: [],
    resources: { limits: new Map(), requests: new Map() },
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    ...options,
  }
}

export function makeProbe(options: Partial<Probe> = {}): Probe {
  return {
    initialDelaySeconds: 0,
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
    ...options,
  }
}

export function makePod(
  options: MetaOptions & { readonly spec?: Partial<PodSpec> } = {},
): Pod {
  return {
    kind: 'Pod',
    metadata: makeMeta('pod', options),
    source: makeSource(),
    spec: {
      containers: [makeContainer()],
      initContainers: [],
      volumes: [],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      hostNetwork: false,
      hostAliases: [],
      setHostnameAsFQDN: false,
      serviceAccountName: 'default',
      securityContext: {},
      ...options.spec,
    },
  }
}

export function makeSecret(
  options: MetaOptions & { readonly data?: StringMap } = {},
): Secret {
  return {
    kind: 'Secret',
    metadata: makeMeta('secret', options),
    source: makeSource(),
    type: 'Opaque',
    data: bytesOf(options.data),
    immutable: false,
  }
}

export function makeConfigMap(
  options: MetaOptions & {
    readonly data?: StringMap
    readonly binaryData?: Readonly<Record<string, Uint8Array>>
  } = {},
): ConfigMap {
  return {
    kind: 'ConfigMap',
    metadata: makeMeta('config', options),
    source: makeSource(),
    data: new Map(Object.entries(options.data ?? {})),
    binaryData: new Map(Object.entries(options.binaryData ?? {})),
    immutable: false,
  }
}

export function makeTrustBundle(
  options: MetaOptions & {
    readonly signerName?: string
    readonly trustBundle: string
  },
): ClusterTrustBundle {
  const { signerName, trustBundle, ...meta } = options
  return {
    kind: 'ClusterTrustBundle',
    metadata: makeMeta('bundle', { ...meta, namespace: '' }),
    source: makeSource(),
    spec: { trustBundle, ...(signerName !== undefined && { signerName }) },
  }
}

export function makeNode(options: Partial<NodeInfo> = {}): NodeInfo {
  return {
    name: 'node',
    uid: 'node-uid',
    ip: '192.0.2.1',
    allocatable: new Map([
      ['cpu', '4'],
      ['memory', '8Gi'],
      ['ephemeral-storage', '100Gi'],
    ]),
    labels: new Map([
      ['kubernetes.io/arch', 'amd64'],
      ['kubernetes.io/hostname', 'node'],
      ['kubernetes.io/os', 'linux'],
    ]),
    taints: [],
    ...options,
  }
}

function makeMeta(defaultName: string, options: MetaOptions): ObjectMeta {
  const name = options.name ?? defaultName
  return {
    name,
    namespace: options.namespace ?? 'default',
    uid: options.uid ?? `${name}-uid`,
    labels: mapOf(options.labels),
    annotations: mapOf(options.annotations),
  }
}

function mapOf(
  entries: StringMap | ReadonlyMap<string, string> = {},
): ReadonlyMap<string, string> {
  return entries instanceof Map ? entries : new Map(Object.entries(entries))
}

function bytesOf(data: StringMap = {}): ReadonlyMap<string, Uint8Array> {
  return new Map(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value)]),
  )
}

function makeSource(): ObjectSource {
  const position = { path: 'test.yaml', line: 1, column: 1 }
  return { ...position, positionOf: () => position }
}
