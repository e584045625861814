import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Of this mount; the number may be another process's by now. */
export async function isKeeper(
  pid: number,
  directory: string,
): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const [, script, argument] = words.split('\0')
  return script?.endsWith('keeper.sh') === true && argument === directory
}

/** The keeper that a runtime directory names; it may be dead. */
export async function keeperNamed(
  directory: string,
): Promise<number | undefined> {
  const text = await readFile(join(directory, 'keeper.pid'), 'latin1').catch(
    () => '',
  )
  return text === '' ? undefined : Number(text)
}
