export type TokenErrorCode = 'TOKEN_KEY_BROKEN' | 'TOKEN_KEY_UNUSABLE'

export class TokenError extends Error {
  override readonly name = 'TokenError'
  readonly code: TokenErrorCode
  /** The key file. */
  readonly path: string

  constructor(
    code: TokenErrorCode,
    path: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.code = code
    this.path = path
  }
}
