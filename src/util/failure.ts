/** Who has to act: `failed` the thing itself, `usage` the person, `platform` the machine. */
export type FailureKind = 'failed' | 'usage' | 'platform'

/**
 * An error for the person at the terminal: one line that says what is wrong, and where there
 * is one, what to type. Never shown with a stack trace.
 */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly kind: FailureKind
  readonly fix: string | undefined
  /** What else is wrong, each told as a line of its own. */
  readonly further: readonly string[]
  constructor(
    kind: FailureKind,
    message: string,
    options: ErrorOptions & {
      readonly fix?: string
      readonly further?: readonly string[]
    } = {},
  ) {
    super(message, options)
    this.kind = kind
    this.fix = options.fix
    this.further = options.further ?? []
  }
}
