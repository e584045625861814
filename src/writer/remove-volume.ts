import { lstat, readlink, rmdir, unlink } from 'node:fs/promises'
import {
  DATA,
  DATA_TMP,
  lostName,
  removeLost,
  timestampedName,
} from './atomic-writer.ts'
import { removeTree, volumeFileSystem } from './volume-tree.ts'
import { hasCode } from '../util/error-code.ts'

/**
 * Takes a volume out of a directory that stays: what the AtomicWriter made, and nothing else.
 * Links first, so that no key is half there.
 */
export async function removeVolume(directory: string): Promise<void> {
  const entries = await volumeFileSystem.list(directory).catch(error => {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  })
  const path = (name: string): string => `${directory}/${name}`
  for (const entry of entries) {
    if (!entry.isSymbolicLink()) continue
    const { name } = entry
    const own =
      name === DATA ||
      name === DATA_TMP ||
      (await readlink(path(name))) === `${DATA}/${name}`
    if (own) await unlink(path(name))
  }
  for (const { name } of entries)
    if (lostName.test(name)) await removeLost(volumeFileSystem, path(name))
    else if (timestampedName.test(name))
      await removeTree(volumeFileSystem, path(name))
}

/** The same for a directory of volumes; one that is left empty goes, too. */
export async function removeVolumes(directory: string): Promise<void> {
  for (const { name } of await volumeFileSystem.list(directory)) {
    const volume = `${directory}/${name}`
    if (!(await lstat(volume)).isDirectory()) continue
    await removeVolume(volume)
    await rmdir(volume).catch(() => undefined)
  }
}
