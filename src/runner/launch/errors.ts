export type RunnerErrorCode =
  | 'CONTAINER_CONFIG'
  | 'CONTAINER_CREATE'
  | 'IMAGE_UNKNOWN'
  | 'IMAGE_FLAG_INVALID'
  | 'SHELL_WORDS_UNCLOSED'
  | 'HOSTNAME_TOO_LONG'

/** What the runner cannot do, in words that may reach a Pod's status: never a Secret's data. */
export class RunnerError extends Error {
  override readonly name = 'RunnerError'
  readonly code: RunnerErrorCode
  constructor(code: RunnerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The container waits with `CreateContainerConfigError` and is tried again. */
export function configError(
  message: string,
  options?: ErrorOptions,
): RunnerError {
  return new RunnerError('CONTAINER_CONFIG', message, options)
}

/** The same with `CreateContainerError`: what a container run-time is asked for is refused. */
export function createError(message: string): RunnerError {
  return new RunnerError('CONTAINER_CREATE', message)
}
