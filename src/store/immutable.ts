import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../api/types.ts'

interface Refusal {
  readonly fieldPath: string
  readonly message: string
}

const immutable = 'Forbidden: field is immutable when `immutable` is set'

/**
 * What the API server would refuse of this update, in its words (ValidateConfigMapUpdate,
 * ValidateSecretUpdate): once `immutable` is true it stays, and so does the data; the type of
 * a Secret and the signer of a ClusterTrustBundle stay always. Metadata may change.
 */
export function immutableChange(
  old: KubeObject,
  object: KubeObject,
): Refusal | undefined {
  if (
    old.kind === 'ClusterTrustBundle' &&
    // Stryker disable next-line ConditionalExpression: both are of one key, and so of one kind
    object.kind === 'ClusterTrustBundle' &&
    old.spec.signerName !== object.spec.signerName
  )
    return {
      fieldPath: 'spec.signerName',
      message: `Invalid value: ${JSON.stringify(object.spec.signerName ?? '')}: field is immutable`,
    }
  // Stryker disable next-line ConditionalExpression,LogicalOperator: as if it were false
  if (!('immutable' in old) || !('immutable' in object)) return undefined
  if (
    // Stryker disable next-line ConditionalExpression,LogicalOperator: others have no type
    old.kind === 'Secret' &&
    // Stryker disable next-line ConditionalExpression: both are of one kind
    object.kind === 'Secret' &&
    old.type !== object.type
  ) {
    return {
      fieldPath: 'type',
      message: `Invalid value: ${JSON.stringify(object.type)}: field is immutable`,
    }
  }
  if (!old.immutable) return undefined
  if (!object.immutable) return { fieldPath: 'immutable', message: immutable }
  if (!isDeepStrictEqual(old.data, object.data)) {
    return { fieldPath: 'data', message: immutable }
  }
  if (
    // Stryker disable next-line ConditionalExpression,LogicalOperator: a Secret has none
    old.kind === 'ConfigMap' &&
    // Stryker disable next-line ConditionalExpression: both are of one kind
    object.kind === 'ConfigMap' &&
    !isDeepStrictEqual(old.binaryData, object.binaryData)
  ) {
    return { fieldPath: 'binaryData', message: immutable }
  }
  return undefined
}
