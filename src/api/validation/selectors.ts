import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required } from '../field-errors.ts'
import { validateLabels } from './metadata.ts'
import { qualifiedKey, validLabelValue } from './names.ts'
import type { LabelSelector, Requirement } from '../types.ts'

/** Source: apimachinery/pkg/apis/meta/v1/validation, ValidateLabelSelector. */
export function validateLabelSelector(
  selector: LabelSelector | undefined,
  path: string,
  findings: FindingList,
): void {
  if (selector === undefined) return
  validateLabels(
    selector.matchLabels ?? new Map(),
    `${path}.matchLabels`,
    findings,
  )
  for (const [i, requirement] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`
    validateSetOperator(requirement, at, findings)
    validateLabelKey(requirement.key, `${at}.key`, findings)
    for (const [j, value] of (requirement.values ?? []).entries()) {
      findings.rejectEach(
        `${at}.values[${j}]`,
        validLabelValue(value),
        problem => invalid(value, problem),
      )
    }
  }
}

export function validateLabelKey(
  key: string = '',
  path: string,
  findings: FindingList,
): void {
  findings.rejectEach(path, qualifiedKey(key), problem => invalid(key, problem))
}

/** The four operators that label and node selectors have in common. */
export function validateSetOperator(
  requirement: Requirement,
  path: string,
  findings: FindingList,
): void {
  const { operator = '', values = [] } = requirement
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        findings.reject(
          `${path}.values`,
          required("must be specified when `operator` is 'In' or 'NotIn'"),
        )
      }
      return
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        findings.reject(
          `${path}.values`,
          forbidden(
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
          ),
        )
      }
      return
    default:
      findings.reject(
        `${path}.operator`,
        invalid(operator, 'not a valid selector operator'),
      )
  }
}

/** Source: ValidateMatchLabelKeysAndMismatchLabelKeys. */
export function validateMatchLabelKeys(
  term: {
    readonly matchLabelKeys?: readonly string[]
    readonly mismatchLabelKeys?: readonly string[]
    readonly labelSelector?: LabelSelector
  },
  path: string,
  findings: FindingList,
): void {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term
  for (const [field, keys] of Object.entries({
    matchLabelKeys,
    mismatchLabelKeys,
  })) {
    if (keys.length > 0 && labelSelector === undefined) {
      findings.reject(
        `${path}.${field}`,
        forbidden('must not be specified when labelSelector is not set'),
      )
      continue
    }
    for (const [i, key] of keys.entries()) {
      validateLabelKey(key, `${path}.${field}[${i}]`, findings)
    }
  }
  const selected = new Set(labelSelector?.matchLabels?.keys())
  for (const { key = '' } of labelSelector?.matchExpressions ?? []) {
    const i = matchLabelKeys.lastIndexOf(key)
    if (i >= 0 && selected.has(key)) {
      findings.reject(
        `${path}[${i}]`,
        invalid(key, 'exists in both matchLabelKeys and labelSelector'),
      )
    }
    selected.add(key)
  }
  for (const [i, key] of matchLabelKeys.entries()) {
    if (mismatchLabelKeys.includes(key)) {
      findings.reject(
        `${path}.matchLabelKeys[${i}]`,
        invalid(key, 'exists in both matchLabelKeys and mismatchLabelKeys'),
      )
    }
  }
}
