import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { JsonObject } from '../../src/api/json.ts'
import { openSocket } from './ask-socket.ts'
import { eventually, runtimeDirectory } from './podfs.ts'

/** The API of a podfs that runs, by its session's id, such as `run-4711`, once it is up. */
export async function sessionApi(session: string) {
  const socket = `${runtimeDirectory}/${session}/api.sock`
  await eventually(() => existsSync(socket))
  return async (
    method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE',
    url: string,
    body?: unknown,
    type = 'application/json',
  ): Promise<{ readonly code: number; readonly body: JsonObject }> => {
    const sent = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      'content-type': type,
      'content-length': String(Buffer.byteLength(sent ?? '')),
    }
    const response = await openSocket(socket, url, { method, headers, sent })
    const answer = JSON.parse(await text(response)) as JsonObject
    return { code: response.statusCode ?? 0, body: answer }
  }
}

export const mergePatch = 'application/merge-patch+json'
export const strategicPatch = 'application/strategic-merge-patch+json'
export const jsonPatch = 'application/json-patch+json'
