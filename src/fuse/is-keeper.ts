import { readFile } from 'node:fs/promises'

/** Of this mount; the number may be another process's by now. */
export async function isKeeper(
  pid: number,
  directory: string,
): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const [, script, argument] = words.split('\0')
  return script?.endsWith('keeper.sh') === true && argument === directory
}
