import type { Dirent } from 'node:fs'
import { readlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Finding } from '../../api/report.ts'
import { validConfigKey } from '../../api/validation/names.ts'
import { withoutAgeSuffix } from '../encryption/age-file.ts'
import { isEditorsFile } from '../editors-files.ts'
import { look } from '../followed-file.ts'

/**
 * The names in a directory that are keys, in their order, and what is to be said of those that
 * are not.
 */
export async function keysAmong(
  entries: readonly Dirent[],
  directory: string,
): Promise<{
  readonly keys: readonly string[]
  readonly findings: readonly Finding[]
}> {
  const keys: string[] = []
  const findings: Finding[] = []
  const leaveOut = (name: string, message: string): void => {
    findings.push(fileFinding('ignored', join(directory, name), message))
  }
  const isVolume = entries.some(({ name }) => name === '..data')
  for (const entry of entries) {
    const { name } = entry
    if (isEditorsFile(name) || (isVolume && name.startsWith('..'))) continue
    if (entry.isSymbolicLink()) {
      const path = join(directory, name)
      const target = await readlink(path).catch(() => '')
      if (!target.startsWith('..data/')) {
        leaveOut(
          name,
          'ignored: a symbolic link; only regular files become keys',
        )
        continue
      }
      if ((await look(path).catch(() => undefined)) === undefined) continue
    } else if (!entry.isFile()) continue
    const key = withoutAgeSuffix(name)
    const [problem] = validConfigKey(key)
    if (problem === undefined) keys.push(name)
    else leaveOut(name, `left out: ${problem}`)
    if (key !== name && entries.some(entry => entry.name === key))
      leaveOut(name, `left out: ${key} is there, too`)
  }
  return { keys: keys.sort(), findings }
}

/** Of a file as a whole, or of the directory. */
export function fileFinding(
  treatment: 'rejected' | 'ignored',
  path: string,
  message: string,
): Finding {
  return { treatment, position: { path, line: 1, column: 1 }, message }
}
