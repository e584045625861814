import { execFile } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemPath } from './machine-tools.ts'

/**
 * Fills a directory with a link for each applet of this busybox. Asked of the program, because
 * every distribution builds another set.
 */
export async function makeApplets(
  busybox: string,
  directory: string,
): Promise<void> {
  const { stdout } = await promisify(execFile)(busybox, ['--list'], {
    env: { PATH: systemPath },
  })
  await mkdir(directory, { recursive: true })
  const names = stdout.split('\n').filter(name => /^[^/]+$/.test(name))
  await Promise.all(names.map(name => symlink(busybox, join(directory, name))))
}
