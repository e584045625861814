import { getSystemErrorMap } from 'node:util'

/** Where Go's words are not libuv's. */
const goWords: Readonly<Record<string, string>> = {
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
}

/** Why a file could not be read, in Go's words: `no such file or directory`. */
export function fileError(error: unknown): string {
  const { code = '', errno, message } = error as NodeJS.ErrnoException
  return (
    goWords[code] ??
    (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ??
    message
  )
}
