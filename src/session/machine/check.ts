/**
 * `missing`: `podfs mount` or `podfs run` cannot work. `warning`: something is done in
 * another way, or for somebody else only. Both come with the way to mend it, if there is one.
 */
export type CheckStatus = 'ok' | 'warning' | 'missing'

/** One finding of `podfs doctor` about this machine. */
export interface Check {
  readonly name: string
  readonly status: CheckStatus
  /** What was found, and what it means for podfs. */
  readonly detail: string
  /** What to type. */
  readonly fix?: string
}

export function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail }
}

export function warning(name: string, detail: string, fix?: string): Check {
  return { name, status: 'warning', detail, ...(fix && { fix }) }
}

export function missing(name: string, detail: string, fix?: string): Check {
  return { name, status: 'missing', detail, ...(fix && { fix }) }
}
