import { spawn } from 'node:child_process'

/**
 * flock(1) locks the open file that it is given, and ends; the lock is that of the open file, which
 * this process has still, and nobody else: Node opens with O_CLOEXEC. False when `-n` is among the
 * options and somebody else has it. Rejects when there is no flock(1).
 */
export async function flock(
  fd: number,
  options: readonly string[],
): Promise<boolean> {
  const child = spawn('flock', [...options, '3'], {
    // A Ctrl-C at the terminal is for podfs to handle.
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', fd],
  })
  return await new Promise<boolean>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', code => resolve(code === 0))
  })
}
