import { getSystemErrorMap } from 'node:util'
import { errorCode } from '../../util/error-code.ts'

/** Where Go's words are not libuv's. */
const goWords: Readonly<Record<string, string>> = {
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
}

/** Why a file could not be read, in Go's words: `no such file or directory`. */
export function fileError(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException
  return (
    goWords[errorCode(error) ?? ''] ??
    (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ??
    message
  )
}
