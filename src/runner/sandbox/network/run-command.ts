import { execFile } from 'node:child_process'
import { systemPath } from '../../../linux/machine-tools.ts'

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
): Promise<CommandResult> {
  return new Promise(resolve => {
    execFile(
      program,
      args,
      { cwd: '/', env: { PATH: systemPath, LC_ALL: 'C' } },
      (error, stdout, stderr) =>
        resolve({ ok: error === null, stdout, stderr }),
    )
  })
}
