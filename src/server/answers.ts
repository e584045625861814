import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '../api/json.ts'
import type { Query } from './query.ts'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** How much of the object a table's rows carry; undefined: no table is wanted. */
export function wantedFormat(
  request: IncomingMessage,
  query: Query,
): IncludeObject | undefined {
  const [first = ''] = (request.headers.accept ?? '').split(',')
  if (!/;\s*as=Table\b/.test(first)) return undefined
  const include = query.text('includeObject')
  return include === 'None' || include === 'Object' ? include : 'Metadata'
}

export function sendJson(
  response: ServerResponse,
  code: number,
  object: JsonObject,
  type = 'application/json',
): void {
  sendText(response, code, `${JSON.stringify(object)}\n`, type)
}

/** A Status of what has been done to a subresource. */
export function success(message: string): JsonObject {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    message,
    code: 201,
  }
}

export function sendText(
  response: ServerResponse,
  code: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(code, { 'content-type': type })
  response.end(text)
}
