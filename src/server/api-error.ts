import type { JsonObject } from '../api/json.ts'

/**
 * What the API answers instead of an object: a `Status` of kind Failure, with the HTTP code,
 * the reason and the words of the Kubernetes API server (apimachinery, pkg/api/errors).
 */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: number
  readonly reason: string
  readonly details: JsonObject | undefined

  constructor(
    code: number,
    reason: string,
    message: string,
    details?: JsonObject,
  ) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
  }

  status(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    }
  }
}

export function notFound(
  { plural, group }: { readonly plural: string; readonly group: string },
  name: string,
): ApiError {
  const resource = group === '' ? plural : `${plural}.${group}`
  return new ApiError(404, 'NotFound', `${resource} ${quote(name)} not found`, {
    name,
    ...(group === '' ? {} : { group }),
    kind: plural,
  })
}

export function noSuchResource(): ApiError {
  const message = 'the server could not find the requested resource'
  return new ApiError(404, 'NotFound', message, {})
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message)
}

export function methodNotAllowed(): ApiError {
  const message =
    'the server does not allow this method on the requested resource'
  return new ApiError(405, 'MethodNotAllowed', message, {})
}

/** The client has to list again. */
export function expired(wanted: number, oldest: number): ApiError {
  const message = `too old resource version: ${wanted} (${oldest})`
  return new ApiError(410, 'Expired', message)
}

/**
 * From the future: of another podfs, or of before the clock was set back. The API server
 * answers 504 Timeout, since there the version is about to come; here it never does, and the
 * client has to list again.
 */
export function tooLarge(wanted: number, current: number): ApiError {
  const message = `Too large resource version: ${wanted}, current: ${current}`
  const cause = {
    reason: 'ResourceVersionTooLarge',
    message: 'Too large resource version',
  }
  return new ApiError(410, 'Expired', message, { causes: [cause] })
}

export function quote(text: string): string {
  return JSON.stringify(text)
}
