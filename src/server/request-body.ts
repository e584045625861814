import type { IncomingMessage } from 'node:http'
import { type Json, type JsonObject, text } from '../api/json.ts'
import { ApiError, badRequest } from './api-error.ts'
import { authenticationV1 } from './authentication.ts'

/** The API server's limit for what is sent to it. */
const limitBytes = 3 * 1024 * 1024

/**
 * The object of authentication.k8s.io/v1 that a client sent, as JSON. Throws an ApiError that never quotes it: there are
 * tokens in it.
 */
export async function requestBody(
  request: IncomingMessage,
  kind: 'TokenRequest' | 'TokenReview',
): Promise<JsonObject> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';')
  if (type !== '' && type.trim() !== 'application/json')
    throw new ApiError(
      415,
      'UnsupportedMediaType',
      'the body of the request was in an unknown format - accepted media types include: application/json',
    )
  const body = parse(await readText(request))
  if (!isObject(body))
    throw badRequest(
      `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error`,
    )
  const given = {
    apiVersion: text(body['apiVersion'] ?? authenticationV1),
    kind: text(body['kind'] ?? kind),
  }
  if (given.apiVersion !== authenticationV1)
    throw badRequest(
      `the API version in the data (${given.apiVersion}) does not match the expected API version (${authenticationV1})`,
    )
  if (given.kind !== kind)
    throw badRequest(
      `the kind in the data (${given.kind}) does not match the expected kind (${kind})`,
    )
  return body
}

/** As `readText`; throws an ApiError that says what is wrong with the JSON, too. */
export async function readJson(
  request: IncomingMessage,
  mostBytes = limitBytes,
): Promise<Json> {
  return parseJson(await readText(request, mostBytes))
}

/** Throws an ApiError that quotes what is wrong: not for what has tokens in it. */
export function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw badRequest(`the body is no JSON: ${(error as Error).message}`)
  }
}

/** Throws an ApiError when there are more bytes. */
export async function readText(
  request: IncomingMessage,
  mostBytes = limitBytes,
): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > mostBytes)
      throw new ApiError(
        413,
        'RequestEntityTooLarge',
        `Request entity too large: limit is ${mostBytes}`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields of a part of a body, each of the type that is asked for. */
export class Fields {
  readonly #kind: string
  readonly #path: string
  readonly #values: JsonObject

  /** `kind` and `path` are for messages: `TokenReview` and `spec`. */
  constructor(kind: string, path: string, values: unknown) {
    this.#kind = kind
    this.#path = path
    if (values !== undefined && values !== null && !isObject(values))
      throw this.#mistyped('', values, 'an object')
    this.#values = isObject(values) ? values : {}
  }

  /** '' when it is not there. */
  text(name: string): string {
    const value = this.#values[name] ?? ''
    if (typeof value !== 'string') throw this.#mistyped(name, value, 'a string')
    return value
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name] ?? []
    if (Array.isArray(value) && value.every(each => typeof each === 'string'))
      return value
    throw this.#mistyped(name, value, 'a list of strings')
  }

  integer(name: string): number | undefined {
    const value = this.#values[name] ?? undefined
    if (value !== undefined && !Number.isInteger(value))
      throw this.#mistyped(name, value, 'a whole number')
    return value as number | undefined
  }

  /** Undefined when it is not there. */
  fields(name: string): Fields | undefined {
    const value = this.#values[name] ?? undefined
    return value === undefined
      ? undefined
      : new Fields(this.#kind, `${this.#path}.${name}`, value)
  }

  #mistyped(name: string, value: unknown, wanted: string): ApiError {
    const path = [this.#path, name].filter(part => part !== '').join('.')
    const type = Array.isArray(value) ? 'array' : typeof value
    return badRequest(
      `${this.#kind} in version "v1" cannot be handled as a ${this.#kind}: ${path} must be ${wanted}, not ${type}`,
    )
  }
}
