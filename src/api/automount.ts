import { createHash } from 'node:crypto'
import type {
  ConfigMap,
  Container,
  Pod,
  ServiceAccount,
  Volume,
} from './types.ts'

/** Where a program in a cluster looks for its token, namespace and ca.crt. */
const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount'

/** In each namespace; podfs has one for namespaces whose manifests bring none. */
export const rootCertificateName = 'kube-root-ca.crt'

/** Kubernetes has a controller that makes one in every namespace; this is the Pod's. */
export function rootConfigMap(pod: Pod, certificate: string): ConfigMap {
  return {
    kind: 'ConfigMap',
    metadata: {
      name: rootCertificateName,
      namespace: pod.metadata.namespace,
      uid: '',
      labels: new Map(),
      annotations: new Map(),
    },
    source: pod.source,
    data: new Map([['ca.crt', certificate]]),
    binaryData: new Map(),
    immutable: false,
  }
}

/** Whether a container has the ConfigMap kube-root-ca.crt, or a key of it, as variables. */
export function hasRootCertificateInEnv({ spec }: Pod): boolean {
  return [...spec.initContainers, ...spec.containers].some(
    ({ env, envFrom }) =>
      env.some(
        ({ valueFrom }) =>
          valueFrom?.configMapKeyRef?.name === rootCertificateName,
      ) ||
      envFrom.some(
        ({ configMapRef }) => configMapRef?.name === rootCertificateName,
      ),
  )
}

const volumePrefix = 'kube-api-access-'

/** An audience of the API server and this lifetime: see token-issuer.ts. */
const tokenExpirationSeconds = 3607

/**
 * The Pod as the API server's ServiceAccount admission stores it: with a volume for the token,
 * the root certificate and the namespace, last in the Pod, and last in each container that has
 * nothing at that path (plugin/pkg/admission/serviceaccount/admission.go). What the Pod says
 * counts, then what its ServiceAccount says, and without either it is yes.
 */
export function withServiceAccountVolume(
  pod: Pod,
  serviceAccount: ServiceAccount | undefined,
): Pod {
  const { spec } = pod
  const isWanted =
    spec.automountServiceAccountToken ??
    serviceAccount?.automountServiceAccountToken ??
    true
  const lacks = ({ volumeMounts }: Container): boolean =>
    !volumeMounts.some(({ mountPath }) => mountPath === tokenMountPath)
  if (!isWanted || ![...spec.initContainers, ...spec.containers].some(lacks))
    return pod
  // A Pod that was read out of a cluster brings its own.
  const present = spec.volumes.find(({ name }) => name.startsWith(volumePrefix))
  const name = present?.name ?? volumePrefix + suffixOf(pod)
  const withMount = (container: Container): Container => {
    if (!lacks(container)) return container
    const mount = { name, mountPath: tokenMountPath, readOnly: true }
    return { ...container, volumeMounts: [...container.volumeMounts, mount] }
  }
  return {
    ...pod,
    spec: {
      ...spec,
      initContainers: spec.initContainers.map(withMount),
      containers: spec.containers.map(withMount),
      volumes: present ? spec.volumes : [...spec.volumes, tokenVolume(name)],
    },
  }
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        {
          serviceAccountToken: {
            path: 'token',
            expirationSeconds: tokenExpirationSeconds,
          },
        },
        {
          configMap: {
            name: rootCertificateName,
            items: [{ key: 'ca.crt', path: 'ca.crt' }],
            optional: false,
          },
        },
        {
          downwardAPI: {
            items: [
              {
                path: 'namespace',
                fieldRef: { fieldPath: 'metadata.namespace' },
              },
            ],
          },
        },
      ],
    },
  }
}

/** Kubernetes draws five of these; here they hang on the Pod, so that a re-read changes nothing. */
function suffixOf({ metadata }: Pod): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  const digest = createHash('sha256')
    .update(`${metadata.namespace}/${metadata.name}`)
    .digest()
  return [...digest.subarray(0, 5)]
    .map(byte => alphabet[byte % alphabet.length])
    .join('')
}
