import { invalid } from '../field-errors.ts'
import type { FindingList } from '../decode/finding-list.ts'

/** Source: pkg/apis/core/validation/validation.go, validateLocalDescendingPath. */
export function validateDescendingPath(
  path: string,
  fieldPath: string,
  findings: FindingList,
): void {
  if (path.startsWith('/')) {
    findings.reject(fieldPath, invalid(path, 'must be a relative path'))
  }
  if (path.split('/').includes('..')) {
    findings.reject(fieldPath, invalid(path, "must not contain '..'"))
  }
}

/** A path inside a managed volume, whose `..` names the AtomicWriter keeps for itself. */
export function validateNonReservedPath(
  path: string,
  fieldPath: string,
  findings: FindingList,
): void {
  validateDescendingPath(path, fieldPath, findings)
  if (path.startsWith('..') && !path.startsWith('../')) {
    findings.reject(fieldPath, invalid(path, "must not start with '..'"))
  }
}

export function validateMode(
  mode: number | undefined,
  fieldPath: string,
  findings: FindingList,
): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) {
    findings.reject(
      fieldPath,
      invalid(
        mode,
        'must be a number between 0 and 0777 (octal), both inclusive',
      ),
      /^[0-7]{3}$/.test(String(mode))
        ? `write 0${mode}: without the zero it is a decimal number`
        : undefined,
    )
  }
}
