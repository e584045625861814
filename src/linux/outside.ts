/*
 * Of a podfs that is in a user namespace of its own: what only a program outside of it can do,
 * such as set-user-ID ones, which have no rights in there. A shell that was left behind runs it,
 * for as long as this process lives.
 */
import { read, writeFileSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { shellWord } from '../util/shell-word.ts'
import type { MountResult } from './run-mount-command.ts'

/** How this process and that shell talk. */
export interface Outside {
  /** Descriptors: a line written is a request, two lines read are its answer. */
  readonly requests: number
  readonly answers: number
  /** The script that a request runs, in a directory that is this user's alone. */
  readonly script: string
}

let outside: Outside | undefined
/** One at a time. */
let last: Promise<unknown> = Promise.resolve()

export function noteOutside(there: Outside): void {
  outside = there
}

/** Undefined: there is none to ask. */
export function notedOutside(): Outside | undefined {
  return outside
}

/** Runs a program outside; `message` is all that it has printed, in one line. */
export async function runOutside(
  args: readonly string[],
): Promise<MountResult> {
  const asked = last.then(() => ask(args))
  last = asked.catch(() => undefined)
  return await asked
}

async function ask(args: readonly string[]): Promise<MountResult> {
  if (outside === undefined) throw new Error('nobody is outside')
  const { requests, answers, script } = outside
  const command = args.map(shellWord).join(' ')
  writeFileSync(script, `exec ${command}\n`, { mode: 0o600 })
  writeSync(requests, '\n')
  let answer = ''
  while (answer.split('\n').length < 3) {
    const buffer = Buffer.alloc(4096)
    const { bytesRead } = await promisify(read)(answers, buffer, 0, 4096, null)
    if (bytesRead === 0)
      return { ok: false, message: 'the helper outside was killed' }
    answer += buffer.toString('utf8', 0, bytesRead)
  }
  const [status, message = ''] = answer.split('\n')
  return { ok: status === '0', message: message.trim() }
}
