import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { rmdir } from 'node:fs/promises'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { systemPath } from '../../linux/machine-tools.ts'
import { runTool } from './run-tool.ts'
import { skeletonMade, skeletonScript } from './skeleton-script.ts'

/*
 * In a user namespace nothing of what root of the machine owns can be written, in an overlay
 * neither: its owner has no number there. But whoever owns a directory may make, replace and
 * remove files in it, and in an overlay it belongs to whom it belongs in the uppermost of its
 * layers. So there is one more layer between the host's files and a container's own, on a tmpfs:
 *
 *   DIRECTORY/usr, /var, /opt   the host's directories, without files, down to a depth
 *   DIRECTORY/etc               all that the user can read, for programs write their files there
 *
 * The files of the first three stay as they are: they can be replaced, and not written to.
 */

const made = new Map<string, Promise<string>>()

/** One that somebody has begun to make before this process was there (session/own-namespace.ts). */
export interface BegunSkeleton {
  readonly place: string
  /**
   * The descriptor of a pipe that says `skeletonMade` before its end, or that nothing has come of
   * it; absent: it is there.
   */
  readonly pipe?: number
}

/**
 * Makes it in this directory, once for all of this process who ask, unless one is begun and comes
 * to its end. Rejects when there is no room.
 */
export async function makeSkeleton(
  directory: string,
  begun?: BegunSkeleton,
): Promise<string> {
  let making = made.get(directory)
  making ??= takeOrMake(join(directory, `skeleton-${process.pid}`), begun)
  made.set(directory, making)
  return await making
}

async function takeOrMake(
  skeleton: string,
  begun: BegunSkeleton | undefined,
): Promise<string> {
  return begun !== undefined && (await isSkeletonMade(begun))
    ? begun.place
    : await make(skeleton)
}

/** To be asked once: the answer is read from the pipe, as soon as nobody has its other end. */
export async function isSkeletonMade({
  pipe,
}: BegunSkeleton): Promise<boolean> {
  if (pipe === undefined) return true
  const said = text(new Socket({ fd: pipe, writable: false }))
  return (await said.catch(() => '')).trim() === skeletonMade
}

/** When no container runs any more. */
export async function removeSkeleton(skeleton: string): Promise<void> {
  made.delete(dirname(skeleton))
  await runTool('umount', '-n', '-c', '-l', skeleton).catch(() => undefined)
  // Never recursively: it may be mounted still.
  await rmdir(skeleton).catch(() => undefined)
}

async function make(skeleton: string): Promise<string> {
  mkdirSync(skeleton, { recursive: true })
  await promisify(execFile)(
    '/bin/sh',
    ['-c', skeletonScript, 'podfs-skeleton', skeleton],
    { cwd: '/', env: { PATH: systemPath, LC_ALL: 'C' } },
  )
  return skeleton
}
