import { MountError } from '../fuse/mount-error.ts'
import { RunnerError } from '../runner/errors.ts'
import { SourceError } from '../sources/errors.ts'
import { TokenError } from '../tokens/errors.ts'
import { Failure } from '../util/failure.ts'

/**
 * What a room threw, as an error for the person at the terminal; anything else is a mistake
 * in podfs and comes back as it is.
 */
export function asFailure(error: unknown): unknown {
  const cause = { cause: error }
  if (error instanceof SourceError)
    return new Failure('usage', error.message, {
      ...cause,
      ...(error.fix === undefined ? {} : { fix: error.fix }),
    })
  if (error instanceof MountError)
    return new Failure(
      error.code === 'MOUNT_BUSY' ? 'failed' : 'platform',
      error.message,
      { ...cause, ...(error.fix === undefined ? {} : { fix: error.fix }) },
    )
  if (error instanceof RunnerError)
    return new Failure(
      error.code === 'IMAGE_FLAG_INVALID' ? 'usage' : 'failed',
      error.message,
      cause,
    )
  if (error instanceof TokenError)
    return new Failure('failed', error.message, cause)
  const { code, message } = (error ?? {}) as NodeJS.ErrnoException
  const fix = code === undefined ? undefined : exhausted[code]
  if (fix === undefined) return error
  return new Failure('platform', message, {
    ...cause,
    ...(fix === '' ? {} : { fix }),
  })
}

/** What a machine can run out of, wherever it is noticed, and what to type. */
const exhausted: Readonly<Record<string, string>> = {
  EMFILE: 'ulimit -n 1024',
  ENFILE: '',
  ENOMEM: '',
  ENOSPC: '',
  EDQUOT: '',
  EROFS: '',
}
