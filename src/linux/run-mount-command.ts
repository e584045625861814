import { spawn } from 'node:child_process'

export interface MountResult {
  readonly ok: boolean
  readonly message: string
}

/** Runs mount(8), umount(8), or what runs them. The messages are read, so they are English. */
export async function runMountCommand(
  command: string,
  args: readonly string[],
): Promise<MountResult> {
  const child = spawn(command, args, {
    // A Ctrl-C at the terminal is for podfs to handle, and must not end an umount half-way.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: mountPath(), LC_ALL: 'C' },
  })
  let message = ''
  // It has no streams when there was no descriptor left for one; `error` comes then.
  const stderr = child.stderr as typeof child.stderr | undefined
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    message += text
  })
  const ok = await new Promise<boolean>(resolve => {
    child.on('error', error => {
      message = error.message
      resolve(false)
    })
    child.on('close', code => resolve(code === 0))
  })
  return { ok, message: message.trim() }
}

/** mount(8) may be in sbin, which an ordinary user's PATH does not have, and any PATH may lack bin. */
export function mountPath(): string {
  return `${process.env['PATH'] ?? '/usr/bin'}:/usr/sbin:/usr/bin:/sbin:/bin`
}
