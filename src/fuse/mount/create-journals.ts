import { closeSync, openSync, statfsSync, unlinkSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { identityOf } from '../../linux/process-identity.ts'
import { writeAdmission } from '../server/admission.ts'
import { Journal } from '../server/journal.ts'
import { publicTree, type PublicTreeOptions } from '../server/public-tree.ts'
import { Tree } from '../server/tree.ts'
import { type JournalFiles } from '../keeper/descriptors.ts'
import { MountError } from '../../linux/mount-error.ts'

/** statfs(2). */
const TMPFS_MAGIC = 0x01021994

/**
 * The two journals, empty and with this process admitted. They are on tmpfs and have no
 * name: Secrets that go through them never reach a disk and are gone with their last holder.
 * `shown`: what everybody sees of an ordinary user's mount, see publicTree.
 */
export function createJournals(
  runtimeDirectory: string,
  shown?: PublicTreeOptions,
): JournalFiles {
  const directory = [runtimeDirectory, '/dev/shm', '/run', '/tmp'].find(isTmpfs)
  if (directory === undefined)
    throw new MountError('MOUNT_NO_TMPFS', runtimeDirectory, 'no tmpfs')
  const files = [openUnlinked(directory), openUnlinked(directory)] as const
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const sec = Math.floor(Date.now() / 1000)
  const time = { sec, nsec: 0 }
  Journal.create(
    files,
    shown === undefined
      ? Tree.empty(owner, time)
      : publicTree(owner, time, shown),
  )
  writeAdmission(files, identityOf(process.pid))
  return files
}

export function closeJournals(files: JournalFiles): void {
  for (const file of files) closeSync(file)
}

function isTmpfs(directory: string): boolean {
  try {
    return statfsSync(directory).type === TMPFS_MAGIC
  } catch {
    return false
  }
}

function openUnlinked(directory: string): number {
  const path = join(directory, `.podfs-${randomBytes(12).toString('hex')}`)
  const file = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  return file
}
