import { readFileSync } from 'node:fs'
import type { Launch } from './launch-command.ts'
import { hasCode } from '../../util/error-code.ts'

/**
 * The bytes of the longest argument, and of the longest `NAME=VALUE`, that execve(2) takes:
 * MAX_ARG_STRLEN (include/uapi/linux/binfmts.h), 32 pages with the NUL at the end.
 */
const maxStringBytes = 32 * 4096 - 1

/** What is said of a string over that; undefined of all others. `what`: what it is. */
export function whyStringTooLong(
  what: string,
  string: string | Uint8Array,
): string | undefined {
  const size = Buffer.byteLength(string)
  return size > maxStringBytes
    ? `argument list too long: ${what} has ${size} bytes, and the kernel takes ${maxStringBytes}`
    : undefined
}

/** Of an environment variable: its name counts. */
export function whyVariableTooLong(
  name: string,
  value: string | Uint8Array,
): string | undefined {
  const size = Buffer.byteLength(name) + 1 + Buffer.byteLength(value)
  return size > maxStringBytes
    ? `argument list too long: the environment variable ${JSON.stringify(name)} has ${size} bytes with its name, and the kernel takes ${maxStringBytes}`
    : undefined
}

/** What child_process has thrown, in the words of the container engines. */
export function whyNotSpawned(error: unknown, { argv, env }: Launch): string {
  return hasCode(error, 'E2BIG')
    ? `exec: ${JSON.stringify(argv[0] ?? '')}: ${whyTooLong(argv, env)}`
    : (error as Error).message
}

/** Why execve(2) has refused a program with E2BIG. */
function whyTooLong(
  argv: readonly string[],
  env: ReadonlyMap<string, string>,
): string {
  for (const [name, value] of env) {
    const why = whyVariableTooLong(name, value)
    if (why !== undefined) return why
  }
  for (const [i, word] of argv.entries()) {
    const why = whyStringTooLong(`word ${i + 1} of the command`, word)
    if (why !== undefined) return why
  }
  const strings = [
    ...argv,
    ...[...env].map(([name, value]) => `${name}=${value}`),
  ]
  const size = strings.reduce(
    (sum, each) => sum + Buffer.byteLength(each) + 1,
    0,
  )
  return `argument list too long: command and environment have ${size} bytes, and the kernel takes ${limitOfAll()} (a quarter of the stack size: ulimit -s), pointers included`
}

/** fs/exec.c, bprm_stack_limits: a quarter of the soft limit, between 128 KiB and 6 MiB. */
function limitOfAll(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const stack = Number(/^Max stack size +(\d+)/m.exec(limits)?.[1] ?? Infinity)
  return Math.max(128 * 1024, Math.min(Math.floor(stack / 4), 6 * 1024 * 1024))
}
