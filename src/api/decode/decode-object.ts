import type { Finding, ObjectFields } from '../report.ts'
import { apiVersions, isNamespaced, kinds } from '../schema/kinds.ts'
import { isServiceKind, serviceKinds } from '../schema/service-kinds.ts'
import { workloads } from '../schema/workloads.ts'
import type {
  ClusterTrustBundle,
  ConfigMap,
  KubeObject,
  ObjectMeta,
  ObjectSource,
  Pod,
  Secret,
  ServedKind,
  ServedObject,
  WorkloadKind,
} from '../types.ts'
import {
  trustBundleName,
  validateClusterTrustBundle,
} from '../validation/cluster-trust-bundle.ts'
import { validateConfigMap, validateSecret } from '../validation/data.ts'
import { validateMetadata } from '../validation/metadata.ts'
import { validatePod } from '../validation/pod.ts'
import { describeType, isMapping, type Value } from '../value.ts'
import { buildMetadata, buildPodSpec } from './build-pod.ts'
import { decodeServiceKind } from './decode-service-kind.ts'
import { decodeWorkload } from './decode-workload.ts'
import { FindingList } from './finding-list.ts'
import { decodeStruct, type Decoded } from './struct-decoder.ts'

export interface DecodeResult {
  readonly objects: readonly KubeObject[]
  /** In the order of the file. */
  readonly findings: readonly Finding[]
}

export interface DecodeOptions {
  /** For objects that name none. */
  readonly namespace: string
  /** Is told of every object that is read, with all its fields. */
  readonly onFields?: ((fields: ObjectFields) => void) | undefined
  /** The object is there, and is to be this now. */
  readonly isUpdate?: boolean
}

/**
 * Decodes one document: an object, or a List of objects. An object with a `rejected` finding
 * is left out; everything wrong with it is told at once. Yields after each object of a List:
 * others may work. Never throws.
 */
export function* decodeObjects(
  value: Value,
  source: ObjectSource,
  options: DecodeOptions,
): Generator<undefined, DecodeResult> {
  const items = listItems(value)
  if (items === undefined) return decodeObject(value, source, options)
  const objects: KubeObject[] = []
  const findings: Finding[] = []
  for (const [i, item] of items.entries()) {
    const result = yield* decodeObjects(item, itemSource(source, i), options)
    for (const object of result.objects) objects.push(object)
    for (const finding of result.findings) findings.push(finding)
    yield undefined
  }
  return { objects, findings }
}

/** The same of a single object, at once. */
export function decodeObject(
  value: Value,
  source: ObjectSource,
  options: DecodeOptions,
): DecodeResult {
  if (!isMapping(value)) {
    return refuse(
      source,
      `a Kubernetes object was expected, not ${describeType(value)}`,
    )
  }
  const apiVersion = value.get('apiVersion') ?? ''
  const kind = value.get('kind') ?? ''
  if (typeof kind !== 'string' || kind === '') {
    return refuse(source, 'kind not set')
  }
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    return refuse(source, 'apiVersion not set')
  }
  if (isList(value)) {
    const what = describeType(value.get('items') as Value)
    return refuse(source, `items: must be a list, not ${what}`)
  }
  const object = identify(kind, value, options.namespace)
  const findings = new FindingList(source, object)
  const [expected, ...others] = expectedVersions(kind, apiVersion)
  if (expected === undefined) {
    findings.add(
      'ignored',
      '',
      `ignored: podfs does nothing with ${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`,
    )
    return { objects: [], findings: findings.sorted() }
  }
  if (apiVersion !== expected && !others.includes(apiVersion)) {
    findings.reject(
      'apiVersion',
      `no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`,
      `apiVersion: ${expected}`,
    )
    return { objects: [], findings: findings.sorted() }
  }
  const decode = (): readonly KubeObject[] =>
    isWorkloadKind(kind)
      ? decodeWorkload(kind, value, source, options, findings)
      : isServiceKind(kind)
        ? [decodeServiceKind(kind, value, source, options, findings)]
        : [decodeKind(kind as ServedKind, value, source, options, findings)]
  const result = findings.bounded(decode)
  options.onFields?.({
    object,
    position: source.positionOf(''),
    fields: findings.fields,
  })
  return {
    objects: result === undefined || findings.rejected ? [] : result,
    findings: findings.sorted(),
  }
}

function decodeKind(
  kind: ServedKind,
  value: Value,
  source: ObjectSource,
  options: DecodeOptions,
  findings: FindingList,
): ServedObject {
  const decoded = decodeStruct(kinds[kind], value, '', findings)
  const result = build(kind, decoded, source, options)
  validate(result, decoded, findings, options)
  return result
}

/**
 * The versions of a kind that podfs reads; none for what it ignores. Another group with a dot
 * is a custom resource's: a Job of batch.volcano.sh is none of Kubernetes's own.
 */
function expectedVersions(kind: string, apiVersion: string): readonly string[] {
  const versions = isServedKind(kind)
    ? apiVersions[kind]
    : isWorkloadKind(kind)
      ? [workloads[kind].apiVersion]
      : isServiceKind(kind)
        ? [serviceKinds[kind].apiVersion]
        : []
  const group = groupOf(apiVersion)
  const isOwn = versions.some(version => groupOf(version) === group)
  return group.includes('.') && !isOwn ? [] : versions
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
}

function isList(value: ReadonlyMap<string, Value>): boolean {
  const kind = value.get('kind')
  return (
    kind === 'List' ||
    (typeof kind === 'string' && kind.endsWith('List') && value.has('items'))
  )
}

/** The objects of a List that has everything that it needs. */
function listItems(value: Value): readonly Value[] | undefined {
  if (!isMapping(value) || !isList(value)) return undefined
  const apiVersion = value.get('apiVersion')
  if (typeof apiVersion !== 'string' || apiVersion === '') return undefined
  const items = value.get('items') ?? []
  return Array.isArray(items) ? (items as readonly Value[]) : undefined
}

/** Field paths of an item start at the item, as if it stood alone. */
function itemSource(source: ObjectSource, i: number): ObjectSource {
  const item = `items[${i}]`
  return {
    ...source.positionOf(item),
    positionOf: path =>
      source.positionOf(path === '' ? item : `${item}.${path}`),
  }
}

function isServedKind(kind: string): kind is ServedKind {
  return Object.hasOwn(kinds, kind)
}

function isWorkloadKind(kind: string): kind is WorkloadKind {
  return Object.hasOwn(workloads, kind)
}

function refuse(source: ObjectSource, message: string): DecodeResult {
  const findings = new FindingList(source, undefined)
  findings.reject('', message)
  return { objects: [], findings: findings.sorted() }
}

/** What a finding calls the object, as far as that can be known before it is decoded. */
function identify(
  kind: string,
  value: ReadonlyMap<string, Value>,
  namespace: string,
): NonNullable<Finding['object']> {
  const metadata = value.get('metadata')
  const text = (key: string): string => {
    const found = isMapping(metadata) ? metadata.get(key) : undefined
    return typeof found === 'string' ? found : ''
  }
  return {
    kind,
    // Of a kind that podfs does not know, it does not know either whether it has a namespace.
    ...((isServedKind(kind)
      ? isNamespaced(kind)
      : isWorkloadKind(kind) || isServiceKind(kind)) && {
      namespace: text('namespace') || namespace,
    }),
    name: text('name') || text('generateName') || '(no name)',
  }
}

function build(
  kind: ServedKind,
  decoded: Decoded,
  source: ObjectSource,
  options: DecodeOptions,
): ServedObject {
  const { namespace, ...others } = buildMetadata(decoded['metadata'], options)
  // As the API server drops it where it means nothing.
  const metadata = { ...others, namespace: isNamespaced(kind) ? namespace : '' }
  switch (kind) {
    case 'Secret':
      return buildSecret(decoded, metadata, source)
    case 'ConfigMap':
      return {
        kind,
        metadata,
        source,
        data: decoded['data'] as ConfigMap['data'],
        binaryData: decoded['binaryData'] as ConfigMap['binaryData'],
        immutable: decoded['immutable'] === true,
      }
    case 'ServiceAccount': {
      const automount = decoded['automountServiceAccountToken']
      return {
        kind,
        metadata,
        source,
        ...(typeof automount === 'boolean' && {
          automountServiceAccountToken: automount,
        }),
      }
    }
    case 'ClusterTrustBundle':
      return {
        kind,
        metadata,
        source,
        spec: decoded['spec'] as ClusterTrustBundle['spec'],
      }
    case 'Pod':
  }
  return { kind, metadata, source, spec: buildPodSpec(decoded['spec']) }
}

function buildSecret(
  decoded: Decoded,
  metadata: ObjectMeta,
  source: ObjectSource,
): Secret {
  const data = new Map(decoded['data'] as Secret['data'])
  for (const [key, text] of decoded['stringData'] as Map<string, string>) {
    data.set(key, new TextEncoder().encode(text))
  }
  return {
    kind: 'Secret',
    metadata,
    source,
    type: decoded['type'] as string,
    data,
    immutable: decoded['immutable'] === true,
  }
}

function validate(
  object: ServedObject,
  decoded: Decoded,
  findings: FindingList,
  { isUpdate }: DecodeOptions,
): void {
  const metadata = decoded['metadata'] as object | undefined
  validateMetadata({ ...metadata, ...object.metadata }, findings, {
    isNamespaced: isNamespaced(object.kind),
    ...(object.kind === 'ClusterTrustBundle' && {
      problemsOfName: (name: string) =>
        trustBundleName(name, object.spec.signerName),
    }),
  })
  switch (object.kind) {
    case 'Pod':
      validatePod(object satisfies Pod, findings, { isUpdate })
      return
    case 'Secret':
      validateSecret(object, findings)
      return
    case 'ConfigMap':
      validateConfigMap(object, findings)
      return
    case 'ClusterTrustBundle':
      validateClusterTrustBundle(object, findings)
      return
    case 'ServiceAccount':
  }
}
