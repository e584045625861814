/** Rejects with the signal's reason when that comes first. */
export async function abortable<T>(
  work: Promise<T>,
  abort: AbortSignal,
): Promise<T> {
  abort.throwIfAborted()
  return await Promise.race([
    work,
    new Promise<never>((_, reject) =>
      abort.addEventListener('abort', () => reject(abort.reason as Error), {
        once: true,
      }),
    ),
  ])
}
