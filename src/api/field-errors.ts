/**
 * The words of apimachinery's field errors (pkg/util/validation/field/errors.go). A `detail`
 * comes from validation/*.ts.
 */
export function required(detail = ''): string {
  return detail === '' ? 'Required value' : `Required value: ${detail}`
}

/** Structs and maps are printed as JSON, as the API server does since v1.33. */
export function invalid(value: unknown, detail: string): string {
  return `Invalid value: ${JSON.stringify(value)}: ${detail}`
}

export function duplicate(value: string): string {
  return `Duplicate value: ${JSON.stringify(value)}`
}

export function forbidden(detail: string): string {
  return `Forbidden: ${detail}`
}

export function notFound(value: string): string {
  return `Not found: ${JSON.stringify(value)}`
}

export function unsupported(value: string, valid: readonly string[]): string {
  const list = valid.map(each => JSON.stringify(each)).join(', ')
  return `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`
}
