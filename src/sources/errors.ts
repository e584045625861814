import type { Finding } from '../api/report.ts'
import { errorCode, hasCode } from '../util/error-code.ts'

export type SourceErrorCode =
  /** A PATH that is not there, or may not be read. */
  | 'SOURCE_UNREADABLE'
  /** The kernel has no inotify watch or instance left. */
  | 'SOURCE_WATCH_LIMIT'
  /** No program that makes manifests of it is installed. */
  | 'SOURCE_LACKS_RENDERER'

/** Why a source cannot start; what is wrong inside a file is a Finding instead. */
export class SourceError extends Error {
  readonly code: SourceErrorCode
  readonly path: string
  /** The message without the path. */
  readonly reason: string
  /** What to type to mend it. */
  readonly fix: string | undefined

  constructor(
    code: SourceErrorCode,
    path: string,
    reason: string,
    options: ErrorOptions & { readonly fix?: string } = {},
  ) {
    super(`${path}: ${reason}`, options)
    this.name = 'SourceError'
    this.code = code
    this.path = path
    this.reason = reason
    this.fix = options.fix
  }
}

/** A file is not there, nor is the file system in which it was. */
export class Unmounted extends Error {
  readonly code = 'EUNMOUNTED'
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ELOOP: 'too many symbolic links',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EUNMOUNTED: 'its file system is not mounted any more',
  EMFILE: 'podfs has too many open files',
  ENFILE: 'the machine has too many open files',
}

const fixes: Readonly<Record<string, string>> = {
  EMFILE: 'ulimit -n 65536 before podfs is started',
  ENFILE: 'sudo sysctl fs.file-max=1000000',
}

/** There is nothing (any more) at the path, as opposed to something that cannot be read. */
export function isAbsence(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')
}

export function unreadable(path: string, cause: unknown): SourceError {
  const code = errorCode(cause) ?? ''
  return new SourceError(
    'SOURCE_UNREADABLE',
    path,
    reasons[code] ?? `cannot be read${code === '' ? '' : ` (${code})`}`,
    { cause, ...(fixes[code] !== undefined && { fix: fixes[code] }) },
  )
}

/** What is told of a PATH that cannot be read now. `wasRead`: what was read before stays. */
export function unreadableFinding(error: SourceError, wasRead = true): Finding {
  const { path, reason, fix } = error
  return {
    treatment: 'rejected',
    position: { path, line: 1, column: 1 },
    message: wasRead
      ? `${reason}; what was read before stays`
      : `${reason}; podfs waits for it`,
    ...(fix !== undefined && { fix }),
  }
}

/** What is told of a limit of inotify: a warning, because nothing is wrong with the input. */
export function limitFinding(limit: SourceError): Finding {
  const { path, reason, fix } = limit
  return {
    treatment: 'ignored',
    position: { path, line: 1, column: 1 },
    message: reason,
    ...(fix !== undefined && { fix }),
  }
}

/** `undefined` for an error that is not about the limits of inotify. */
export function watchLimit(
  path: string,
  cause: unknown,
): SourceError | undefined {
  const code = errorCode(cause)
  if (code === 'ENOSPC') {
    return new SourceError(
      'SOURCE_WATCH_LIMIT',
      path,
      'looked at only once a second: the limit of inotify watches (fs.inotify.max_user_watches) is reached',
      { cause, fix: 'sudo sysctl fs.inotify.max_user_watches=524288' },
    )
  }
  if (code === 'EMFILE') {
    return new SourceError(
      'SOURCE_WATCH_LIMIT',
      path,
      'looked at only once a second: the limit of inotify instances (fs.inotify.max_user_instances) or of open files is reached',
      { cause, fix: 'sudo sysctl fs.inotify.max_user_instances=1024' },
    )
  }
  return undefined
}
