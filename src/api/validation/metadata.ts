import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required, tooLong } from '../field-errors.ts'
import type { ObjectMeta } from '../types.ts'
import {
  dns1123Label,
  dns1123Subdomain,
  nameLike,
  qualifiedKey,
  validLabelValue,
} from './names.ts'
import type { MetadataFields, OwnerReference } from './unvalidated-pod.ts'

/** TotalAnnotationSizeLimitB */
const annotationsLimit = 256 * 1024

/** Source: apimachinery/pkg/api/validation/objectmeta.go, ValidateObjectMeta. */
export function validateMetadata(
  metadata: MetadataFields,
  findings: FindingList,
  kind: {
    readonly isNamespaced: boolean
    /** What is wrong with a name of this kind. */
    readonly problemsOfName?: (name: string) => string[]
  } = { isNamespaced: true },
): void {
  const { isNamespaced, problemsOfName = dns1123Subdomain } = kind
  const { name, namespace, generateName, generation = 0 } = metadata
  if (generateName !== undefined) {
    // What comes after the dash is made up later.
    const masked = generateName.replace(/.-$/s, 'a')
    findings.rejectEach(
      'metadata.generateName',
      problemsOfName(masked),
      problem => invalid(generateName, problem),
    )
  }
  if (name === '') {
    findings.reject(
      'metadata.name',
      required('name or generateName is required'),
      'metadata: {name: NAME}',
    )
  } else if (!findings.isInvalid('metadata.generateName')) {
    findings.rejectEach(
      'metadata.name',
      problemsOfName(name),
      problem => invalid(name, problem),
      kind.problemsOfName === undefined ? nameLike(name) : undefined,
    )
  }
  findings.rejectEach(
    'metadata.namespace',
    isNamespaced ? dns1123Label(namespace) : [],
    problem => invalid(namespace, problem),
  )
  if (generation < 0) {
    findings.reject(
      'metadata.generation',
      invalid(generation, 'must be greater than or equal to 0'),
    )
  }
  validateLabelsAndAnnotations(metadata, findings)
  validateOwners(metadata.ownerReferences ?? [], findings)
  validateFinalizers(metadata.finalizers ?? [], findings)
}

/** All that is looked at of a template's metadata: the rest of it means nothing. */
export function validateLabelsAndAnnotations(
  metadata: Pick<ObjectMeta, 'labels' | 'annotations'>,
  findings: FindingList,
): void {
  validateLabels(metadata.labels, 'metadata.labels', findings)
  validateAnnotations(metadata.annotations, findings)
}

/** The API server names the map, not the key. */
export function validateLabels(
  labels: ReadonlyMap<string, string>,
  path: string,
  findings: FindingList,
): void {
  for (const [key, value] of labels) {
    findings.rejectEach(path, qualifiedKey(key), problem =>
      invalid(key, problem),
    )
    findings.rejectEach(path, validLabelValue(value), problem =>
      invalid(value, problem),
    )
  }
}

function validateAnnotations(
  annotations: ReadonlyMap<string, string>,
  findings: FindingList,
): void {
  let size = 0
  for (const [key, value] of annotations) {
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
    findings.rejectEach(
      'metadata.annotations',
      qualifiedKey(key.toLowerCase()),
      problem => invalid(key, problem),
    )
  }
  if (size > annotationsLimit) {
    findings.reject('metadata.annotations', tooLong(annotationsLimit))
  }
}

function validateOwners(
  owners: readonly OwnerReference[],
  findings: FindingList,
): void {
  const path = 'metadata.ownerReferences'
  let controller: string | undefined
  for (const owner of owners) {
    const { apiVersion = '', kind = '', name = '' } = owner
    if (apiVersion.split('/').at(-1) === '') {
      findings.reject(
        `${path}.apiVersion`,
        invalid(apiVersion, 'version must not be empty'),
      )
    }
    for (const field of ['kind', 'name', 'uid'] as const) {
      if ((owner[field] ?? '') === '') {
        findings.reject(`${path}.${field}`, invalid('', 'must not be empty'))
      }
    }
    if (apiVersion === 'v1' && kind === 'Event') {
      findings.reject(
        path,
        invalid(
          ownerValue(owner),
          '/v1, Kind=Event is disallowed from being an owner',
        ),
      )
    }
    if (owner.controller !== true) continue
    if (controller !== undefined) {
      findings.reject(
        path,
        invalid(
          owners.map(ownerValue),
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${kind}/${name}`,
        ),
      )
    }
    controller ??= `${kind}/${name}`
  }
}

/** Its fields in the order of the Go struct. */
function ownerValue(owner: OwnerReference): unknown {
  const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = owner
  return {
    apiVersion: apiVersion ?? '',
    kind: kind ?? '',
    name: name ?? '',
    uid: uid ?? '',
    controller,
    blockOwnerDeletion,
  }
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion']

function validateFinalizers(
  finalizers: readonly string[],
  findings: FindingList,
): void {
  const path = 'metadata.finalizers'
  for (const [i, finalizer] of finalizers.entries()) {
    findings.rejectEach(path, qualifiedKey(finalizer), problem =>
      invalid(finalizer, problem),
    )
    if (!finalizer.includes('/') && !standardFinalizers.includes(finalizer)) {
      findings.reject(
        `${path}[${i}]`,
        invalid(
          finalizer,
          'name is neither a standard finalizer name nor is it fully qualified',
        ),
      )
    }
  }
  if (
    finalizers.includes('orphan') &&
    finalizers.includes('foregroundDeletion')
  ) {
    findings.reject(
      path,
      invalid(
        finalizers,
        'finalizer orphan and foregroundDeletion cannot be both set',
      ),
    )
  }
}
