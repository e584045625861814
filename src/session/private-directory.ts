import { lstatSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { shellWord } from '../util/shell-word.ts'
import { Failure } from '../util/failure.ts'
import { exhaustedFix } from './failures.ts'
import { isInUserNamespace, outside } from './user-namespace.ts'

/** Makes a directory of podfs's own that nobody else can enter, unless it is there. */
export function makePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Failure(
      'platform',
      `cannot make ${directory}: ${(error as Error).message}`,
      {
        cause: error,
        fix:
          exhaustedFix(error, [path.dirname(directory)]) ??
          (isInUserNamespace()
            ? outside
            : `sudo mkdir ${shellWord(directory)}`),
      },
    )
  }
}

/** A directory that only this user can enter; what somebody else made there is refused. */
export function ensurePrivateDirectory(directory: string): void {
  makePrivateDirectory(directory)
  refuseForeignDirectory(directory)
}

/**
 * What another user has made in /tmp may hold anything: a socket to which Secrets are sent.
 * One that is not there is nobody's.
 */
export function refuseForeignDirectory(directory: string): void {
  const found = lstatSync(directory, { throwIfNoEntry: false })
  if (found === undefined) return
  const isOwn = found.uid === process.getuid?.()
  if (isOwn && (found.mode & 0o077) === 0) return
  throw new Failure(
    'platform',
    `${directory} must belong to the user who runs podfs, with mode 0700`,
    {
      fix: isOwn
        ? `chmod 0700 ${shellWord(directory)}`
        : isInUserNamespace()
          ? outside
          : `sudo rm -r ${shellWord(directory)}`,
    },
  )
}

/** The error of a directory of podfs's own, at `place` of this machine. */
export function notUsable(
  directory: string,
  error: unknown,
  place = directory,
): unknown {
  if (error instanceof Failure) return error
  const { message } = error as Error
  const fix = exhaustedFix(error, [place])
  return new Failure('platform', `cannot use ${directory}: ${message}`, {
    cause: error,
    ...(fix === undefined ? {} : { fix }),
  })
}
