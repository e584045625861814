import { execFile } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemPath } from './machine-tools.ts'

const asked = new Map<string, Promise<readonly string[]>>()

/**
 * The names of this busybox's applets. Asked of the program, because every distribution builds
 * another set; once.
 */
export function appletsOf(busybox: string): Promise<readonly string[]> {
  let names = asked.get(busybox)
  if (names === undefined) {
    names = askApplets(busybox)
    asked.set(busybox, names)
    names.catch(() => asked.delete(busybox))
  }
  return names
}

async function askApplets(busybox: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(busybox, ['--list'], {
    env: { PATH: systemPath },
  })
  return stdout.split('\n').filter(name => /^[^/]+$/.test(name))
}

/** Fills a directory with a link for each applet of this busybox. */
export async function makeApplets(
  busybox: string,
  directory: string,
): Promise<void> {
  const names = await appletsOf(busybox)
  // Four hundred: by way of the thread pool they take twenty times as long.
  for (const name of names) symlinkSync(busybox, join(directory, name))
}
