import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { hasCode } from '../util/error-code.ts'

/**
 * A directory, made with mode 0700 when it is not there. In this order: to make what is there
 * already in a mount that is dead by now makes the kernel forget it (mkdir(2) asks the server
 * again, open(2) does not), and then nothing can be mounted over it where it is bound.
 */
export async function openOrMake(directory: string): Promise<FileHandle> {
  try {
    return await open(directory, 'r')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  await mkdir(directory, { mode: 0o700 })
  return await open(directory, 'r')
}
