/**
 * `Promise.all` that waits for everything even when something fails, and then throws the
 * first failure: what the others made meanwhile is known, and can be undone.
 */
export async function allSettled<T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  const results = await Promise.allSettled(promises)
  const failed = results.find(result => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return await Promise.all(promises)
}
