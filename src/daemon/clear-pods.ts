import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { mountsBelow, unmountPath } from '../fuse/mountinfo.ts'

/**
 * RUNTIME/ID/pods: what the Pods of a session need of mounts and files. Of those that run no
 * more nothing is of use.
 */
export async function clearPods(directory: string): Promise<void> {
  await clearPod(path.join(directory, 'pods'))
}

/**
 * The directories DIRECTORY/run/N, one of each start of a Pod, but for those of the Pods that
 * run still: `running` has their `run/N`.
 */
export async function endedRuns(
  directory: string,
  running: ReadonlySet<string>,
): Promise<string[]> {
  const numbers = await readdir(path.join(directory, 'run')).catch(() => [])
  return numbers
    .map(number => `run/${number}`)
    .filter(id => !running.has(id))
    .map(id => path.join(directory, id))
}

/** RUNTIME/ID/pods/N: the same for one run of a Pod. */
export async function clearPod(directory: string): Promise<void> {
  await unmountAll(directory)
  await removeUnmounted(directory)
}

export async function unmountAll(directory: string): Promise<void> {
  for (const { mountpoint } of (await mountsBelow(directory)).toReversed())
    await unmountPath(mountpoint, { lazy: true }).catch(() => {})
}

/** Nothing happens while something is mounted below: never `rm` through a mount. */
export async function removeUnmounted(directory: string): Promise<void> {
  if ((await mountsBelow(directory)).length > 0) return
  // Somebody who has not ended yet may still be writing there.
  const retries = { maxRetries: 5, retryDelay: 20 }
  await rm(directory, { recursive: true, force: true, ...retries })
}
