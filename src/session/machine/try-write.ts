import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * How the kernel answers another process of this user that opens the file to write: '' when it
 * may, else what strerror(3) calls it.
 */
export async function tryWrite(file: string): Promise<string> {
  const env = { ...process.env, LC_ALL: 'C' }
  return await promisify(execFile)('sh', ['-c', ': >>"$0"', file], {
    env,
  }).then(
    () => '',
    ({ stderr = '' }: { stderr?: string }) =>
      stderr.trim().split(': ').at(-1) ?? '',
  )
}
