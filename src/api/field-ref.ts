/**
 * What a fieldRef says of a Pod's metadata, the same for downward API volumes and for the
 * environment (kubernetes pkg/fieldpath/fieldpath.go; docs/kubernetes.md#downward-api). Which
 * paths are allowed where (whole maps only in volumes; spec.* and status.* only in the
 * environment) is the caller's rule.
 */
import { goQuote } from './go-quote.ts'
import type { Pod } from './types.ts'

/**
 * The value of `metadata.name`, `.namespace`, `.uid`, `.labels`, `.annotations`,
 * `metadata.labels['KEY']` or `metadata.annotations['KEY']`. A key that is not there gives
 * the empty string; an unsupported path or an impossible key gives undefined.
 */
export function extractFieldPathAsString(
  pod: Pod,
  fieldPath: string,
): string | undefined {
  const { metadata } = pod
  const subscripted = splitSubscript(fieldPath)
  if (subscripted !== undefined) {
    const { path, subscript } = subscripted
    switch (path) {
      case 'metadata.annotations':
        // Annotation keys may hold upper case in their prefix: an old leniency.
        if (!isQualifiedName(subscript.toLowerCase())) return undefined
        return metadata.annotations.get(subscript) ?? ''
      case 'metadata.labels':
        if (!isQualifiedName(subscript)) return undefined
        return metadata.labels.get(subscript) ?? ''
      default:
        return undefined
    }
  }
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace
    case 'metadata.uid':
      return metadata.uid
    case 'metadata.labels':
      return formatMap(metadata.labels)
    case 'metadata.annotations':
      return formatMap(metadata.annotations)
    default:
      return undefined
  }
}

/** One `key="quoted value"` a line, sorted by the bytes of the key, no newline at the end. */
export function formatMap(map: ReadonlyMap<string, string>): string {
  return [...map]
    .map(([key, value]) => ({ bytes: Buffer.from(key), key, value }))
    .sort((one, other) => Buffer.compare(one.bytes, other.bytes))
    .map(({ key, value }) => `${key}=${goQuote(value)}`)
    .join('\n')
}

/** `a.b['c']` in two parts: split at the first `['`, and only if the path ends in `']`. */
export function splitSubscript(
  fieldPath: string,
): { path: string; subscript: string } | undefined {
  if (!fieldPath.endsWith("']")) return undefined
  const at = fieldPath.indexOf("['")
  if (at <= 0 || at + 2 > fieldPath.length - 2) return undefined
  return {
    path: fieldPath.slice(0, at),
    subscript: fieldPath.slice(at + 2, -2),
  }
}

const qualifiedNamePart = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const dns1123Subdomain =
  /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** A label key: `[DNS subdomain/]name` (apimachinery util/validation, IsQualifiedName). */
export function isQualifiedName(value: string): boolean {
  const parts = value.split('/')
  const name = parts.pop() ?? ''
  if (!qualifiedNamePart.test(name) || parts.length > 1) return false
  const [prefix] = parts
  return (
    prefix === undefined ||
    (prefix.length <= 253 && dns1123Subdomain.test(prefix))
  )
}
