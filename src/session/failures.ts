import { MountError } from '../linux/mount-error.ts'
import { RunnerError } from '../runner/launch/errors.ts'
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
    return new Failure(
      error.code === 'SOURCE_LACKS_RENDERER' ? 'platform' : 'usage',
      error.message,
      { ...cause, ...(error.fix === undefined ? {} : { fix: error.fix }) },
    )
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
  const fix = exhaustedFix(error, (error as NodeJS.ErrnoException | null)?.path)
  return fix === undefined
    ? error
    : new Failure('platform', (error as Error).message, { ...cause, fix })
}

/**
 * What to type when the machine has run out of something, wherever that is noticed; undefined
 * for every other error. `place`: what is looked at, a path, or several.
 */
export function exhaustedFix(
  error: unknown,
  place = '/run /dev/shm /tmp',
): string | undefined {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  switch (code) {
    case 'EMFILE':
      return 'ulimit -n 1024'
    case 'ENFILE':
      return 'sysctl -w fs.file-max=1000000'
    case 'ENOMEM':
      return 'free -h'
    case 'ENOSPC':
      return `df -h ${place}; df -i ${place}`
    case 'EDQUOT':
      return 'quota -s'
    case 'EROFS':
      return `findmnt --target ${place.split(' ')[0]}`
    case undefined:
    default:
      return undefined
  }
}
