import { spawnSync } from 'node:child_process'
import { existsSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mountPath } from './run-mount-command.ts'
import { PODFS_TYPE, readMountinfo } from './mountinfo.ts'

/**
 * Does what a keeper that was killed could not: ends its server, unmounts, removes the
 * runtime directory. Nothing to do after a keeper's own end.
 */
export function cleanUpMount(
  directory: string,
  device: string | undefined,
  serverPid?: number,
): void {
  if (!existsSync(directory)) return
  // Known from an open connection, so the number is that server's.
  if (serverPid !== undefined) process.kill(serverPid, 'SIGKILL')
  for (const mount of readMountinfo().reverse())
    if (mount.device === device && mount.type === PODFS_TYPE)
      spawnSync('umount', ['-c', '-l', mount.mountPoint], {
        env: { PATH: mountPath() },
      })
  // Never recursively: rmdir fails on what is still mounted.
  try {
    rmdirSync(join(directory, 'rw'))
    for (const name of ['control.sock', 'adopt', 'keeper.pid'])
      rmSync(join(directory, name), { force: true })
    rmdirSync(directory)
  } catch {
    // Still busy, or not ours any more: left for `podfs unmount`.
  }
}
