import type { IncomingMessage } from 'node:http'
import { badRequest, quote } from './api-error.ts'

/**
 * What a path of the Kubernetes API asks for. The grammar is the API server's own
 * (k8s.io/apiserver, pkg/endpoints/request/requestinfo.go), so every resource, also one that
 * is yet to come, is found without a route of its own.
 */
export interface RequestInfo {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  /** Absent: all namespaces, or no namespace at all. */
  readonly namespace?: string
  readonly resource: string
  readonly name?: string
  /** `log`, `status`; with what stands behind it. */
  readonly subresource?: string
}

/** Undefined for a path that is not about a resource: discovery, health, metrics. */
export function requestInfo(path: string): RequestInfo | undefined {
  const parts = path
    .split('/')
    .filter(part => part !== '')
    .map(decode)
  const [root, ...rest] = parts
  if (root !== 'api' && root !== 'apis') return undefined
  const group = root === 'apis' ? rest.shift() : ''
  const version = rest.shift()
  if (group === undefined || version === undefined || rest.length === 0)
    return undefined
  const [first, second, ...others] = rest
  const base = { group, version }
  // `/namespaces/NAME` is the Namespace itself; with more behind it, what is in there.
  if (first === 'namespaces' && second !== undefined && others.length > 0)
    return { ...base, namespace: second, ...target(others) }
  return { ...base, ...target(rest) }
}

function target([resource = '', name, ...subresource]: readonly string[]) {
  return {
    resource,
    ...(name === undefined ? {} : { name }),
    ...(subresource.length === 0 ? {} : { subresource: subresource.join('/') }),
  }
}

/** What is no percent-encoding stands for itself; no object is called so. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * What is asked for: a path, or, as a proxy is asked, a URL (RFC 9112, 3.2). Throws an ApiError
 * for what is neither, such as `//` or `http://[`.
 */
export function requestUrl({ url = '/' }: IncomingMessage): URL {
  try {
    return new URL(url, 'http://podfs')
  } catch {
    throw badRequest(`not a path or a URL: ${quote(url)}`)
  }
}
