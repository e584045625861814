import { items, nameOf, part, text, type JsonObject } from '../../api/json.ts'
import {
  SessionGone,
  urlOf,
  type ApiClient,
  type Resource,
} from '../../client/api-client.ts'
import type { Clock } from '../../util/clock.ts'

/** One object of one podfs. */
export interface ObjectPlace {
  readonly client: ApiClient
  readonly resource: Resource
  readonly namespace: string
  readonly name: string
}

/**
 * Resolves with true as soon as this holds of the object, undefined while there is none; with
 * false when the signal aborts before. When its podfs ends there is none.
 */
export async function untilObject(
  { client, resource, namespace, name }: ObjectPlace,
  holds: (object: JsonObject | undefined) => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const query = { fieldSelector: `metadata.name=${name}` }
  try {
    for (;;) {
      const list = await client.get(urlOf(resource, { namespace, query }))
      const [object] = items(list, 'items')
      if (holds(object)) return true
      if (signal.aborted) return false
      const resourceVersion = text(part(list, 'metadata')['resourceVersion'])
      const watch = { ...query, watch: 'true', resourceVersion }
      const url = urlOf(resource, { namespace, query: watch })
      for await (const { type, object: next } of client.watch(url, {
        signal,
      })) {
        // A watch that is too old, or has lasted for too long, begins again.
        if (type === 'ERROR') break
        if (nameOf(next) !== name) continue
        if (holds(type === 'DELETED' ? undefined : next)) return true
      }
      if (signal.aborted) return false
    }
  } catch (error) {
    if (!(error instanceof SessionGone)) throw error
    if (holds(undefined)) return true
    throw error
  }
}

/** Aborts after this time, or never; `end` when nobody waits any more. */
export function timeLimit(
  clock: Clock,
  ms: number | undefined,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const abort = new AbortController()
  const timer =
    ms === undefined ? undefined : clock.after(ms, () => abort.abort())
  return { signal: abort.signal, end: () => timer?.cancel() }
}
