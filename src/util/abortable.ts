import { setMaxListeners } from 'node:events'
import { deferred } from './deferred.ts'

/** Rejects with the signal's reason when that comes first. */
export async function abortable<T>(
  work: Promise<T>,
  abort: AbortSignal,
): Promise<T> {
  abort.throwIfAborted()
  // Any number may wait with one signal, which lives longer than their work.
  setMaxListeners(0, abort)
  const aborted = deferred<never>()
  const end = (): void => aborted.reject(abort.reason as Error)
  abort.addEventListener('abort', end)
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    abort.removeEventListener('abort', end)
  }
}
