export type PayloadErrorCode =
  | 'PAYLOAD_EMPTY_PATH'
  | 'PAYLOAD_ABSOLUTE_PATH'
  | 'PAYLOAD_PATH_TOO_LONG'
  | 'PAYLOAD_NAME_TOO_LONG'
  | 'PAYLOAD_BACKSTEP'
  | 'PAYLOAD_RESERVED_NAME'
  | 'PAYLOAD_NUL_BYTE'
  | 'PAYLOAD_PATH_CONFLICT'

/** A payload that cannot be a volume. Nothing on disk has been touched. */
export class PayloadError extends Error {
  override readonly name = 'PayloadError'
  readonly code: PayloadErrorCode
  /** The key of the payload, as it was given. */
  readonly path: string

  constructor(code: PayloadErrorCode, path: string, message: string) {
    super(message)
    this.code = code
    this.path = path
  }
}
