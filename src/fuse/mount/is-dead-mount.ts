import { execFile } from 'node:child_process'
import { mountPath } from '../../linux/run-mount-command.ts'

/** A mount that hangs is not dead: something may yet answer. */
const LOOK_MS = 3000

/**
 * Whether what is mounted at a path has lost its server. statfs(2), for all else may come from
 * the kernel's cache; and by another process, for one that looks may have to be killed.
 */
export async function isDeadMount(path: string): Promise<boolean> {
  return await new Promise<boolean>(resolve => {
    const look = execFile(
      'stat',
      ['-f', '--', path],
      { env: { PATH: mountPath(), LC_ALL: 'C' } },
      // ENOTCONN; ECONNABORTED from the one that was under way.
      error =>
        end(
          /endpoint is not connected|connection abort/i.test(
            String(error?.message),
          ),
        ),
    )
    // It is not waited for: whoever waits for a server that has read the request and hangs is
    // beyond SIGKILL.
    const timer = setTimeout(() => {
      look.kill('SIGKILL')
      look.unref()
      end(false)
    }, LOOK_MS)
    const end = (isDead: boolean): void => {
      clearTimeout(timer)
      resolve(isDead)
    }
  })
}
