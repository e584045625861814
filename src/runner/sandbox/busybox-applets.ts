import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemPath } from './machine-tools.ts'

/**
 * A directory with a link for each applet of this busybox, below `directory`. It is made once
 * on a machine, and anew when busybox is another one: four hundred links, and asking for their
 * names, would be a part of each start.
 */
export async function appletsOf(
  busybox: string,
  directory: string,
): Promise<string> {
  const { dev, ino, ctimeNs } = statSync(busybox, { bigint: true })
  const name = `${dev}-${ino}-${ctimeNs}`
  const applets = join(directory, name)
  if (existsSync(applets)) return applets
  const names = await askApplets(busybox)
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const made = mkdtempSync(join(directory, '.new-'))
  chmodSync(made, 0o755)
  // By way of the thread pool they take twenty times as long.
  for (const each of names) symlinkSync(busybox, join(made, each))
  await rename(made, applets).catch(async (error: unknown) => {
    await rm(made, { recursive: true, force: true })
    // Somebody else was first.
    if (!existsSync(applets)) throw error
  })
  return applets
}

/** Asked of the program, because every distribution builds another set. */
async function askApplets(busybox: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(busybox, ['--list'], {
    env: { PATH: systemPath },
  })
  return stdout.split('\n').filter(name => /^[^/]+$/.test(name))
}
