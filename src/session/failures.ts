import { MountError } from '../linux/mount-error.ts'
import { RunnerError } from '../runner/launch/errors.ts'
import { SourceError } from '../sources/errors.ts'
import { TokenError } from '../tokens/errors.ts'
import { Failure } from '../util/failure.ts'
import { errorCode } from '../util/error-code.ts'
import { shellWord } from '../util/shell-word.ts'

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
  const { path } = (error ?? {}) as NodeJS.ErrnoException
  const fix = exhaustedFix(error, path === undefined ? undefined : [path])
  return fix === undefined
    ? error
    : new Failure('platform', (error as Error).message, { ...cause, fix })
}

/**
 * What to type when the machine has run out of something, wherever that is noticed; undefined
 * for every other error. `places`: the paths that are looked at.
 */
export function exhaustedFix(
  error: unknown,
  places: readonly string[] = ['/run', '/dev/shm', '/tmp'],
): string | undefined {
  const words = places.map(shellWord)
  switch (errorCode(error)) {
    case 'EMFILE':
      return 'ulimit -n 1024'
    case 'ENFILE':
      return 'sysctl -w fs.file-max=1000000'
    case 'ENOMEM':
      return 'free -h'
    case 'ENOSPC':
      return `df -h ${words.join(' ')}; df -i ${words.join(' ')}`
    case 'EDQUOT':
      return 'quota -s'
    case 'EROFS':
      return `findmnt --target ${words[0]}`
    case undefined:
    default:
      return undefined
  }
}
