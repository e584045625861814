import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import type { Test } from 'tap'

/**
 * An empty directory on tmpfs, mode 0755, gone at teardown.
 */
export async function makeTmpfsDirectory(t: Test): Promise<string> {
  const parent = await mkdtemp('/dev/shm/podfs-test-')
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  const directory = `${parent}/volume`
  await mkdir(directory)
  return directory
}
