import { constants, type Stats } from 'node:fs'
import { lchown, lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../util/error-code.ts'

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/** What a member of the group may do afterwards: SetVolumeOwnership, pkg/volume/volume_linux.go. */
const fileMask = 0o660
const directoryMask = 0o2770

/**
 * Gives a directory, and all that is in it, to a group whose members may then read and write it,
 * as a kubelet does with a volume that has an fsGroup. Other containers may be at work in it: each
 * directory is held open, so that a link in its place leads nowhere. `policy`: with OnRootMismatch
 * nothing is done when the directory itself is as it should be.
 */
export async function giveToGroup(
  directory: string,
  group: number,
  policy: string | undefined,
): Promise<void> {
  const stats = await lstat(directory)
  if (policy === 'OnRootMismatch' && isGroups(stats, group)) return
  await lchown(directory, -1, group)
  await openUp(directory, group)
}

function isGroups({ gid, mode }: Stats, group: number): boolean {
  return gid === group && (mode & directoryMask) === directoryMask
}

async function openUp(directory: string, group: number): Promise<void> {
  const handle = await open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    const { mode } = await handle.stat()
    await handle.chmod((mode & 0o7777) | directoryMask)
    const held = `/proc/self/fd/${handle.fd}`
    for (const name of await readdir(held))
      await giveEntry(join(held, name), group).catch(unlessAbsent)
  } finally {
    await handle.close()
  }
}

async function giveEntry(path: string, group: number): Promise<void> {
  await lchown(path, -1, group)
  const stats = await lstat(path)
  if (stats.isDirectory()) await openUp(path, group)
  else if (stats.isFile()) await openFile(path)
}

async function openFile(path: string): Promise<void> {
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const { mode } = await handle.stat()
    await handle.chmod((mode & 0o7777) | fileMask)
  } finally {
    await handle.close()
  }
}

/** What is removed meanwhile is nobody's any more. */
function unlessAbsent(error: unknown): void {
  if (!hasCode(error, 'ENOENT')) throw error
}
