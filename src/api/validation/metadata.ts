import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required } from '../field-errors.ts'
import type { ObjectMeta } from '../types.ts'
import {
  dns1123Label,
  dns1123Subdomain,
  qualifiedKey,
  validLabelValue,
} from './names.ts'

/** TotalAnnotationSizeLimitB */
const annotationsLimit = 256 * 1024

/** Source: apimachinery/pkg/api/validation/objectmeta.go, ValidateObjectMeta. */
export function validateMetadata(
  metadata: ObjectMeta,
  findings: FindingList,
): void {
  if (metadata.name === '') {
    findings.reject(
      'metadata.name',
      required('name or generateName is required'),
    )
  } else {
    for (const problem of dns1123Subdomain(metadata.name)) {
      findings.reject('metadata.name', invalid(metadata.name, problem))
    }
  }
  for (const problem of dns1123Label(metadata.namespace)) {
    findings.reject('metadata.namespace', invalid(metadata.namespace, problem))
  }
  validateLabelsAndAnnotations(metadata, findings)
}

/** All that is looked at of a template's metadata: the rest of it means nothing. */
export function validateLabelsAndAnnotations(
  metadata: Pick<ObjectMeta, 'labels' | 'annotations'>,
  findings: FindingList,
): void {
  for (const [key, value] of metadata.labels) {
    for (const problem of qualifiedKey(key)) {
      findings.reject('metadata.labels', invalid(key, problem))
    }
    for (const problem of validLabelValue(value)) {
      findings.reject('metadata.labels', invalid(value, problem))
    }
  }
  let size = 0
  for (const [key, value] of metadata.annotations) {
    size += Buffer.byteLength(key) + Buffer.byteLength(value)
    for (const problem of qualifiedKey(key.toLowerCase())) {
      findings.reject('metadata.annotations', invalid(key, problem))
    }
  }
  if (size > annotationsLimit) {
    findings.reject(
      'metadata.annotations',
      `Too long: may not be more than ${annotationsLimit} bytes`,
    )
  }
}
