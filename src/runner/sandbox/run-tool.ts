import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { systemPath } from '../../linux/machine-tools.ts'

const execute = promisify(execFile)

/** Rejects with what a program of this machine has said when it fails. */
export async function runTool(
  command: string,
  ...args: readonly string[]
): Promise<void> {
  await execute(command, args, { env: { PATH: systemPath, LC_ALL: 'C' } })
}
