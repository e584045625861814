import { execFile } from 'node:child_process'
import { systemPath } from './machine-tools.ts'

/** How a program of the machine ended; it never rejects: one that is not there has failed. */
export interface CommandResult {
  readonly ok: boolean
  readonly stdout: string
  readonly stderr: string
}

/** Runs ip(8) or iptables(8). What they print is read, so it is English. */
export function runCommand(
  program: string,
  args: readonly string[],
  input = '',
): Promise<CommandResult> {
  return new Promise(resolve => {
    const child = execFile(
      program,
      args,
      { cwd: '/', env: { PATH: systemPath, LC_ALL: 'C' } },
      (error, stdout, stderr) =>
        resolve({
          ok: error === null,
          stdout,
          stderr: stderr || (error?.message ?? ''),
        }),
    )
    // One that has ended before it has read it.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
