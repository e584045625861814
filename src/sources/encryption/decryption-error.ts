export type DecryptionErrorCode =
  /** No key that podfs has opens it: another one may come. */
  | 'DECRYPTION_KEY_MISSING'
  /** It was encrypted for something that podfs cannot do: a passphrase, a key service. */
  | 'DECRYPTION_KEY_UNSUPPORTED'
  /** It is incomplete, or somebody has changed it. */
  | 'DECRYPTION_DAMAGED'

interface Details {
  /** What to type to mend it. */
  readonly fix?: string
  /** Where in the text. */
  readonly offset?: number
  /** Such as `data.password`. */
  readonly fieldPath?: string
  /** The version of the keys that did not open it. */
  readonly keysVersion?: string
}

/** Why an encrypted file cannot be read. Its message never has a part of a key or of a value. */
export class DecryptionError extends Error {
  readonly code: DecryptionErrorCode
  readonly details: Details

  constructor(
    code: DecryptionErrorCode,
    message: string,
    { cause, ...details }: ErrorOptions & Details = {},
  ) {
    super(message, { cause })
    this.name = 'DecryptionError'
    this.code = code
    this.details = details
  }

  /** The same, where it stands in a text. */
  at(offset: number): DecryptionError {
    return new DecryptionError(this.code, this.message, {
      ...this.details,
      cause: this,
      offset,
    })
  }
}
