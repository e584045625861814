import { isUtf8 } from 'node:buffer'

import { extractFieldPathAsString } from '../../api/field-ref.ts'
import { parseQuantity } from '../../api/quantity.ts'
import { extractResourceValue } from '../../api/resource-field-ref.ts'
import type {
  ConfigMap,
  Container,
  EnvFromSource,
  EnvVarSource,
  FileKeySelector,
  KeySelector,
  NodeInfo,
  Pod,
  ResourceFieldSelector,
  ResourceList,
  Secret,
} from '../../api/types.ts'
import { configError, createError, type RunnerError } from './errors.ts'
import { expandWith } from './expansion.ts'

/** What a container run-time sets when the image does not. */
export const defaultPath =
  // Stryker disable next-line StringLiteral: a test would repeat it
  '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export interface EnvironmentSources {
  readonly pod: Pod
  readonly node: NodeInfo
  readonly podIPs: readonly string[]
  readonly secret: (name: string) => Secret | undefined
  readonly configMap: (name: string) => ConfigMap | undefined
  /** Of Services; each gives way to a variable of the same name. */
  readonly serviceVariables?: ReadonlyMap<string, string>
  /** Undefined: optional, and not there. Throws with the kubelet's words. */
  readonly fileKey: (ref: FileKeySelector) => VariableBytes | undefined
}

export interface RuntimeEnvironment {
  readonly path: string
  readonly hostname: string
  readonly home: string
  readonly image?: ReadonlyMap<string, string>
}

/**
 * A container's whole environment: PATH and HOSTNAME of the run-time, the image's variables,
 * what the manifest declares, later ones winning, and HOME where nobody said it
 * (docs/kubernetes.md#environment).
 */
export function containerEnvironment(
  declared: ReadonlyMap<string, string>,
  runtime: RuntimeEnvironment,
): ReadonlyMap<string, string> {
  const environment = new Map([
    ['PATH', runtime.path],
    ['HOSTNAME', runtime.hostname],
    ...(runtime.image ?? []),
    ...declared,
  ])
  if (!environment.has('HOME')) environment.set('HOME', runtime.home)
  for (const [name, value] of environment) {
    // spawn's own error would print the value, which may be a Secret's.
    if (value.includes('\0')) {
      throw configError(
        `environment variable ${JSON.stringify(name)} contains a NUL byte`,
      )
    }
  }
  return environment
}

/** A value that may be no text, and where it stands. */
export interface VariableBytes {
  readonly bytes: Uint8Array
  readonly origin: string
}

/**
 * What the manifest declares, settled once for each start: what Services give, envFrom in order,
 * then env in order, later ones winning (makeEnvironmentVariables, pkg/kubelet/kubelet_pods.go). It is all
 * that `$(VAR)` can see: the run-time adds its own variables afterwards.
 *
 * Throws with the kubelet's words when a required object or key is missing, and when a variable
 * is no UTF-8: the kubelet's request to the container run-time is text, so it cannot be sent.
 */
export function declaredEnvironment(
  container: Container,
  sources: EnvironmentSources,
): ReadonlyMap<string, string> {
  const environment = new Map(sources.serviceVariables)
  /** Of the variables that are no text: where their bytes stand. */
  const binary = new Map<string, string>()
  const set = (name: string, found: string | VariableBytes): void => {
    const { text, origin } = textOf(found)
    environment.set(name, text)
    if (origin === undefined) binary.delete(name)
    else binary.set(name, origin)
  }
  for (const source of container.envFrom) {
    for (const [key, value] of readEnvFrom(source, sources)) {
      set(source.prefix + key, value)
    }
  }
  for (const { name, value, valueFrom } of container.env) {
    if (valueFrom === undefined || (value !== undefined && value !== '')) {
      const template = value ?? ''
      const part = [...binary].find(([other]) => refersTo(template, other))
      set(name, expandWith(template, environment))
      if (part !== undefined) binary.set(name, part[1])
      continue
    }
    const found = readValueFrom(valueFrom, container, sources)
    // Optional and missing: a variable of the same name from envFrom stays.
    if (found !== undefined) set(name, found)
  }
  for (const [name, origin] of binary) throw noText(name, origin)
  return environment
}

/**
 * Begins with the words in which gRPC refuses it (a kubelet from v1.34 on); never the bytes.
 * `origin`: where the bytes stand.
 */
export function noText(name: string, origin: string): RunnerError {
  return createError(
    `string field contains invalid UTF-8: the environment variable ${JSON.stringify(name)}, from ${origin}`,
  )
}

/** As it is named in messages. */
export function secretKeyName(secret: Secret, key: string): string {
  const { namespace, name } = secret.metadata
  return `key ${key} of Secret ${namespace}/${name}`
}

function refersTo(template: string, name: string): boolean {
  return expandWith(template, new Map([[name, '\0']])).includes('\0')
}

function readEnvFrom(
  { configMapRef, secretRef }: EnvFromSource,
  sources: EnvironmentSources,
): ReadonlyMap<string, string | VariableBytes> {
  if (configMapRef !== undefined) {
    const configMap = sources.configMap(configMapRef.name)
    // binaryData never becomes a variable.
    if (configMap !== undefined) return configMap.data
    if (!configMapRef.optional) throw notFound('configmap', configMapRef.name)
  }
  if (secretRef !== undefined) {
    const secret = sources.secret(secretRef.name)
    if (secret !== undefined) {
      return new Map(
        [...secret.data].map(([key, bytes]) => [
          key,
          { bytes, origin: secretKeyName(secret, key) },
        ]),
      )
    }
    if (!secretRef.optional) throw notFound('secret', secretRef.name)
  }
  return new Map()
}

function readValueFrom(
  source: EnvVarSource,
  container: Container,
  sources: EnvironmentSources,
): string | VariableBytes | undefined {
  const { fieldRef, resourceFieldRef, configMapKeyRef } = source
  const { secretKeyRef, fileKeyRef } = source
  if (fieldRef !== undefined) return readField(fieldRef.fieldPath, sources)
  if (resourceFieldRef !== undefined) {
    return readResource(resourceFieldRef, container, sources)
  }
  if (configMapKeyRef !== undefined) {
    const configMap = sources.configMap(configMapKeyRef.name)
    return readKey(configMapKeyRef, 'ConfigMap', sources, configMap?.data)
  }
  if (secretKeyRef !== undefined) {
    const secret = sources.secret(secretKeyRef.name)
    const bytes = readKey(secretKeyRef, 'Secret', sources, secret?.data)
    return secret === undefined || bytes === undefined
      ? undefined
      : { bytes, origin: secretKeyName(secret, secretKeyRef.key) }
  }
  return fileKeyRef === undefined ? '' : sources.fileKey(fileKeyRef)
}

/** `data` is undefined where the object does not exist. */
function readKey<Value>(
  selector: KeySelector,
  kind: 'ConfigMap' | 'Secret',
  { pod }: EnvironmentSources,
  data: ReadonlyMap<string, Value> | undefined,
): Value | undefined {
  const value = data?.get(selector.key)
  if (value !== undefined || selector.optional) return value
  if (data === undefined) throw notFound(kind.toLowerCase(), selector.name)
  throw configError(
    `couldn't find key ${selector.key} in ${kind} ${pod.metadata.namespace}/${selector.name}`,
  )
}

function readField(
  fieldPath: string,
  { pod, node, podIPs }: EnvironmentSources,
): string {
  switch (fieldPath) {
    case 'spec.nodeName':
    case 'spec.host':
      return node.name
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName
    case 'status.hostIP':
    case 'status.hostIPs':
      return node.ip
    case 'status.podIP':
      return podIPs[0] ?? ''
    case 'status.podIPs':
      return podIPs.join(',')
  }
  const value = extractFieldPathAsString(pod, fieldPath)
  if (value !== undefined) return value
  throw configError(`unsupported fieldPath: ${fieldPath}`)
}

function readResource(
  selector: ResourceFieldSelector,
  container: Container,
  { pod, node }: EnvironmentSources,
): string {
  const { containerName } = selector
  const { containers, initContainers } = pod.spec
  const isNamed = ({ name }: Container): boolean => name === containerName
  const other = containerName ? containers.find(isNamed) : container
  const target = other ?? initContainers.find(isNamed)
  if (target === undefined) {
    throw configError(`container ${containerName} not found`)
  }
  // Of an init container that is named only what it says itself counts.
  const most = other === undefined ? new Map() : podAllocatable(pod, node)
  try {
    return extractResourceValue(target, selector, most)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw configError(error.message, { cause: error })
  }
}

/** The limits of the Pod stand before the node's (defaultPodLimitsForDownwardAPI). */
function podAllocatable({ spec }: Pod, node: NodeInfo): ResourceList {
  const limits = ['cpu', 'memory'].flatMap(name => {
    const limit = spec.resources?.limits.get(name)
    return limit === undefined || parseQuantity(limit) === 0n
      ? []
      : ([[name, limit]] as const)
  })
  return new Map([...node.allocatable, ...limits])
}

function notFound(resource: string, name: string): Error {
  return configError(`${resource} "${name}" not found`)
}

/** `origin` only of what is no text. */
function textOf(found: string | VariableBytes): {
  readonly text: string
  readonly origin?: string
} {
  if (typeof found === 'string') return { text: found }
  const { bytes, origin } = found
  const text = Buffer.from(bytes).toString('utf8')
  return isUtf8(bytes) ? { text } : { text, origin }
}
