import { spawn } from 'node:child_process'

interface MountResult {
  readonly ok: boolean
  readonly message: string
}

/** Runs mount(8) or umount(8). */
export async function runMountCommand(
  command: 'mount' | 'umount',
  args: readonly string[],
): Promise<MountResult> {
  return await run(command, args)
}

/**
 * Detaches what is mounted at a path and runs mount(8). In one shell, because between the two
 * the directory beneath is seen. Without that gap the dead mount would have to stay beneath the
 * new one: umount(2) by path, also through a descriptor on the lower one, takes the upper one.
 */
export async function runReplacingMount(
  target: string,
  args: readonly string[],
): Promise<MountResult> {
  // -c: a path through a dead mount cannot be canonicalised. busybox has no -c.
  const script =
    'umount -c -l "$0" 2>/dev/null || umount -l "$0"; exec mount "$@"'
  return await run('/bin/sh', ['-c', script, target, ...args])
}

/** The messages are read, so they are to be English. */
async function run(
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
