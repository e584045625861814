import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { mountPath } from './run-mount-command.ts'

/** A mount that hangs is not dead: something may yet answer. */
const LOOK_MS = 3000

/**
 * Whether what is mounted at a path has lost its server. statfs(2), for all else may come from
 * the kernel's cache; and by another process, for one that looks may have to be killed.
 */
export async function isDeadMount(path: string): Promise<boolean> {
  try {
    await promisify(execFile)('stat', ['-f', '--', path], {
      env: { PATH: mountPath(), LC_ALL: 'C' },
      timeout: LOOK_MS,
      killSignal: 'SIGKILL',
    })
    return false
  } catch (error) {
    // ENOTCONN; ECONNABORTED from the one that was under way.
    return /endpoint is not connected|connection abort/i.test(String(error))
  }
}
