import type { BigIntStats } from 'node:fs'
import { lstat, opendir, statfs } from 'node:fs/promises'
import path from 'node:path'
import { hasCode } from '../util/error-code.ts'

/** Of a block in st_blocks, whatever the file system's own are: inode(7). */
const blockBytes = 512n

/**
 * The bytes on the disk below a directory, as a kubelet counts them (pkg/volume/util/fs, DiskUsage)
 * and du(1) does: blocks, each file once, without what is mounted there. What goes away meanwhile
 * counts as nothing.
 */
export async function diskUsage(directory: string): Promise<bigint> {
  const root = await look(directory)
  if (root === undefined) return 0n
  const seen = new Set<bigint>()
  let bytes = root.blocks * blockBytes
  const below = async (parent: string): Promise<void> => {
    for await (const name of namesIn(parent)) {
      const file = path.join(parent, name)
      const found = await look(file)
      if (found === undefined || found.dev !== root.dev) continue
      if (found.nlink > 1n && !found.isDirectory()) {
        if (seen.has(found.ino)) continue
        seen.add(found.ino)
      }
      bytes += found.blocks * blockBytes
      if (found.isDirectory()) await below(file)
    }
  }
  await below(directory)
  return bytes
}

/** statfs(2) */
const overlayMagic = 0x79_4c_76_30

/**
 * The bytes that the file system has which takes what is written into an overlay; undefined where
 * none of the directories is one.
 */
export async function upperLayerUsage(
  directories: readonly string[],
): Promise<bigint | undefined> {
  for (const directory of directories) {
    const found = await statfs(directory, { bigint: true }).catch(
      () => undefined,
    )
    if (found?.type === BigInt(overlayMagic))
      return (found.blocks - found.bfree) * found.bsize
  }
  return undefined
}

async function look(file: string): Promise<BigIntStats | undefined> {
  return await lstat(file, { bigint: true }).catch(() => undefined)
}

/** One by one: there may be a million. */
async function* namesIn(directory: string): AsyncGenerator<string> {
  try {
    for await (const { name } of await opendir(directory)) yield name
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
  }
}
