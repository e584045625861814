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
      modeAdvice(mode),
    )
  }
}

/**
 * What was probably meant. Only the number is known, not how it was written: 644 was to be
 * 0644, but 512 is what 01000 is.
 */
function modeAdvice(mode: number): string | undefined {
  const digits = String(mode)
  if (looksLikeMode(digits.slice(-3)))
    return digits.length === 3
      ? `write 0${digits}: without the zero it is a decimal number`
      : undefined
  return mode > 0o777 && mode <= 0o7777
    ? `0${mode.toString(8)} has a setuid, setgid or sticky bit, and files of a volume have none`
    : undefined
}

/** Octal digits, and nobody may do what those before him may not. */
function looksLikeMode(digits: string): boolean {
  if (!/^[0-7]{3}$/.test(digits)) return false
  const [owner = 0, group = 0, other = 0] = Array.from(digits, Number)
  return (owner & group) === group && (group & other) === other
}
