import { spawn } from 'node:child_process'

/** Runs mount(8) or umount(8). Their messages are read, so they speak English. */
export async function runMountCommand(
  command: 'mount' | 'umount',
  args: readonly string[],
): Promise<{ readonly ok: boolean; readonly message: string }> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: mountPath(), LC_ALL: 'C' },
  })
  let message = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    message += text
  })
  const ok = await new Promise<boolean>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve(code === 0))
  })
  return { ok, message: message.trim() }
}

/** mount(8) may be in sbin, which an ordinary user's PATH does not have. */
export function mountPath(): string {
  return `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`
}
