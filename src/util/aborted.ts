/** Resolves when the signal aborts. */
export async function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return
  await new Promise<void>(resolve =>
    signal.addEventListener('abort', () => resolve(), { once: true }),
  )
}
