/**
 * Exponential back-off as Kubernetes keeps it (client-go util/flowcontrol/backoff.go), pure:
 * an entry goes in, the next one comes out, and nobody reads a clock.
 */
export interface BackoffEntry {
  readonly delayMs: number
  /** When the last try was made. */
  readonly lastTry: number
}

export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
  /** A failure this long after the last try begins anew. */
  readonly resetAfterMs: number
}

/** The wait before the next try, counted from the failure; 0 where nothing failed before. */
export function backoffDelay(
  entry: BackoffEntry | undefined,
  failedAt: number,
  options: BackoffOptions,
): number {
  if (entry === undefined || hasExpired(entry, failedAt, options)) return 0
  return entry.delayMs
}

/** To be kept when a try after a failure is made. */
export function nextBackoff(
  entry: BackoffEntry | undefined,
  failedAt: number,
  now: number,
  options: BackoffOptions,
): BackoffEntry {
  const delayMs =
    entry === undefined || hasExpired(entry, failedAt, options)
      ? options.baseMs
      : Math.min(entry.delayMs * 2, options.maxMs)
  return { delayMs, lastTry: now }
}

function hasExpired(
  entry: BackoffEntry,
  failedAt: number,
  options: BackoffOptions,
): boolean {
  return failedAt - entry.lastTry > options.resetAfterMs
}
