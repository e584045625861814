import { createHash } from 'node:crypto'
import { constants, fstatSync, statSync } from 'node:fs'
import { type FileHandle, open, readdir, unlink } from 'node:fs/promises'
import path from 'node:path'
import { flock } from '../linux/flock.ts'
import { Failure } from '../util/failure.ts'
import { exhaustedFix } from './failures.ts'
import { ensurePrivateDirectory, notUsable } from './private-directory.ts'

/** RUNTIME/claim-HASH: a claim, or what one left whose process was killed. */
const claimName = /^claim-[0-9a-f]{64}$/

export interface Claim {
  release(): Promise<void>
}

/**
 * Makes this process the only one of this user that may begin to serve a mount point, or gives
 * undefined while another one is. Held until the process ends, in whatever way: it is a lock
 * (flock(2)) of a file in the run-time directory, which nobody else can enter, and the kernel
 * drops it with the descriptor. No claim is ever stale, and none is another user's.
 */
export async function claimMountpoint(
  runtime: string,
  mountpoint: string,
): Promise<Claim | undefined> {
  ensurePrivateDirectory(runtime)
  const name = nameOf(mountpoint)
  try {
    const claim = await claimFile(path.join(runtime, name))
    if (claim === undefined) return undefined
    own.add(name)
    return {
      release: async () => {
        own.delete(name)
        await claim.release()
      },
    }
  } catch (error) {
    throw notUsable(runtime, error)
  }
}

/** Removes the files of claims that nobody can hold any more; `served` are mount points. */
export async function sweepClaims(
  runtime: string,
  served: readonly string[],
): Promise<void> {
  const held = new Set([...own, ...served.map(nameOf)])
  for (const name of await readdir(runtime))
    if (claimName.test(name) && !held.has(name))
      await (await claimFile(path.join(runtime, name)))?.release()
}

/** What this process has claimed. */
const own = new Set<string>()

function nameOf(mountpoint: string): string {
  return `claim-${createHash('sha256').update(mountpoint).digest('hex')}`
}

async function claimFile(file: string): Promise<Claim | undefined> {
  for (;;) {
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    if (!(await lock(handle))) {
      await handle.close()
      return undefined
    }
    if (isAt(handle, file))
      return {
        release: async () => {
          // First: once it is unlocked it may be another one's.
          await unlink(file).catch(() => undefined)
          await handle.close()
        },
      }
    // Whoever had it has just taken it away.
    await handle.close()
  }
}

async function lock(handle: FileHandle): Promise<boolean> {
  try {
    return await flock(handle.fd, ['-n'])
  } catch (cause) {
    throw new Failure(
      'platform',
      `cannot run flock(1): ${(cause as Error).message}`,
      { cause, fix: exhaustedFix(cause) ?? 'apt-get install util-linux' },
    )
  }
}

function isAt(handle: FileHandle, file: string): boolean {
  const there = statSync(file, { throwIfNoEntry: false })
  return there?.ino === fstatSync(handle.fd).ino
}
