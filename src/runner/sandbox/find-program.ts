import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readSync,
  readdirSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Launch } from './launch-command.ts'
import { viewFrom } from '../../linux/host-view.ts'
import { resolvePath } from '../../linux/resolve-path.ts'

/** execvp's own, for an environment without PATH. */
const defaultPath = '/bin:/usr/bin'

/**
 * Says why a container's program cannot be started, in the words of the container engines;
 * undefined when it can. `root` is the container's root as the host sees it, /proc/PID/root.
 *
 * Asked beforehand, because the exec itself happens in a process that can only say 127.
 */
export function whyNotExecutable(
  root: string,
  launch: Launch,
): string | undefined {
  const name = launch.argv[0] ?? ''
  const problem = (text: string): string =>
    `exec: ${JSON.stringify(name)}: ${text}`
  if (name === '') return problem('no command')
  const view = viewFrom(root)
  const onHost = (path: string): string => join(root, resolvePath(path, view))
  const inContainer = (path: string): string =>
    path.startsWith('/') ? path : join(launch.workingDir, path)

  if (name.includes('/')) {
    const path = onHost(inContainer(name))
    const why = whyNot(path)
    if (why !== undefined) return problem(why)
    const format = whyNotFormat(path, onHost)
    return format === undefined ? undefined : problem(format)
  }
  const candidates = (launch.env.get('PATH') ?? defaultPath)
    .split(':')
    .map(directory => onHost(inContainer(join(directory, name))))
  const path = candidates.find(candidate => whyNot(candidate) === undefined)
  if (path === undefined) return problem('executable file not found in $PATH')
  const format = whyNotFormat(path, onHost)
  return format === undefined ? undefined : problem(format)
}

function whyNot(path: string): string | undefined {
  const kind = viewFrom('/').lstat(path)?.kind
  if (kind === undefined) return 'no such file or directory'
  if (kind === 'directory') return 'is a directory'
  try {
    // Root may execute what anybody may: the same question the kernel will ask.
    accessSync(path, constants.X_OK)
    return undefined
  } catch {
    return 'permission denied'
  }
}

function whyNotFormat(
  path: string,
  onHost: (path: string) => string,
): string | undefined {
  const start = readStart(path)
  if (start === undefined || start.startsWith('\x7fELF')) return undefined
  const interpreter = /^#![ \t]*([^ \t\n]+)/.exec(start)?.[1]
  if (interpreter !== undefined)
    return whyNot(onHost(interpreter)) === undefined
      ? undefined
      : `interpreter ${interpreter}: no such file or directory`
  return knowsOtherFormats() ? undefined : 'exec format error'
}

/** Undefined when podfs may not read what it may execute. */
function readStart(path: string): string | undefined {
  try {
    const descriptor = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(256)
      return buffer.toString('latin1', 0, readSync(descriptor, buffer))
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return undefined
  }
}

/** The kernel may have been taught Java archives and other machines' programs. */
function knowsOtherFormats(): boolean {
  try {
    return readdirSync('/proc/sys/fs/binfmt_misc').some(
      name => name !== 'register' && name !== 'status',
    )
  } catch {
    return false
  }
}
