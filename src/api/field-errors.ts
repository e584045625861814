import { goQuote } from './go-quote.ts'

/**
 * The words of apimachinery's field errors (pkg/util/validation/field/errors.go). A `detail`
 * comes from validation/*.ts.
 */
export function required(detail = ''): string {
  return withDetail('Required value', detail)
}

/** A list or a struct stands as Go's JSON in the message. */
export function invalid(value: unknown, detail: string): string {
  return withDetail(`Invalid value: ${goValue(value)}`, detail)
}

export function duplicate(value: string): string {
  return `Duplicate value: ${goQuote(value)}`
}

export function forbidden(detail: string): string {
  return `Forbidden: ${detail}`
}

export function notFound(value: string, detail = ''): string {
  return withDetail(`Not found: ${goQuote(value)}`, detail)
}

export function tooLong(bytes: number): string {
  return `Too long: may not be more than ${bytes} bytes`
}

export function tooMany(count: number, max: number): string {
  return `Too many: ${count}: must have at most ${max} items`
}

export function unsupported(value: string, valid: readonly string[]): string {
  const list = valid.map(goQuote).join(', ')
  return `Unsupported value: ${goQuote(value)}: supported values: ${list}`
}

function withDetail(words: string, detail: string): string {
  return detail === '' ? words : `${words}: ${detail}`
}

function goValue(value: unknown): string {
  if (typeof value === 'string') return goQuote(value)
  // encoding/json makes its output safe for HTML.
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
