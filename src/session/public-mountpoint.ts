import { mkdir, readdir, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { nextKeeperOf } from '../fuse/mount/keeper-of.ts'
import { isUsersMountOf, mountOf } from '../fuse/mount/mount-of.ts'
import { isDeadMount } from '../fuse/mount/is-dead-mount.ts'
import {
  deviceOf,
  mountAt,
  PODFS_TYPE,
  podfsMounts,
} from '../linux/mountinfo.ts'
import type { Clock } from '../util/clock.ts'
import { Failure } from '../util/failure.ts'
import type { Logger } from '../util/logger.ts'
import { type Backend } from '../volumes/backend.ts'
import { deadBackend, adoptBackend } from '../volumes/open-backend.ts'
import { shellWord } from '../util/shell-word.ts'
import { clearAbandoned, clearDeadMount } from './abandoned-mount.ts'
import { type Claim, claimMountpoint } from './claim-mountpoint.ts'
import type { Cleanup } from './cleanup.ts'
import type { Places } from './places.ts'
import type { CurrentMount } from './renewed-mount.ts'
import {
  adoptSessionDirectory,
  createSessionDirectory,
  type SessionDirectory,
} from './runtime-directory.ts'
import {
  type FoundSession,
  listSessions,
  type Session,
} from './session-file.ts'
import { isWithin } from '../linux/is-within.ts'
import { realPath } from '../linux/real-path.ts'
import { errorCode, hasCode } from '../util/error-code.ts'

/** Ends a podfs without its mount; also one that does not know of it. */
export const takeoverSignal = 'SIGUSR2'
const takeoverMs = 5000
const takeoverStepMs = 10

export interface MountpointRequest {
  /** Absolute. */
  readonly mountpoint: string
  /** Whether a podfs that serves the mount point has to hand it over. */
  readonly takeover?: boolean
  /** A mount that nobody serves any more is gone on with, too, and made anew: its Pods run. */
  readonly renewsDead?: boolean
  readonly places: Places
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Refuses a mount point that is served, unless it is to be taken over: then that podfs ends
 * and leaves its mount. Returns what a podfs that is gone has left there and its keeper still
 * serves; what nobody serves is cleared away. Of several that begin at the same moment one gets
 * it; the others wait until it can be said who.
 */
export async function takeMountpoint(
  request: MountpointRequest,
  cleanup: Cleanup,
): Promise<FoundSession | undefined> {
  const { mountpoint, places, logger } = request
  refuseOwnPlaces(mountpoint, places)
  const abandoned = await waitForMountpoint(request, cleanup)
  if (abandoned !== undefined) {
    // What somebody has unmounted is not laid over what may be in there now.
    const isShown = (await mountAt(mountpoint)) !== undefined
    if (isShown && (await isKept(abandoned))) return abandoned
    if (isShown && request.renewsDead === true && (await isDead(mountpoint)))
      return abandoned
    // First of all: a dead mount disturbs whoever reads a directory beside it.
    logger.warn(
      { mountpoint, formerPid: abandoned.pid },
      'what a podfs that is gone has left is cleared away',
    )
    await clearAbandoned(abandoned, request.clock)
  }
  await clearDeadMount(mountpoint, logger)
  return undefined
}

/**
 * A mount there would hide the directories in which podfs keeps its sockets, mounts and keys; and
 * what is below them is taken for a session's.
 */
function refuseOwnPlaces(mountpoint: string, places: Places): void {
  for (const [word, place] of Object.entries(places)) {
    const own = realPath(place)
    if (isWithin(mountpoint, own) || isWithin(own, mountpoint))
      throw new Failure(
        'usage',
        `${mountpoint} cannot be a mount point: podfs's ${word === 'state' ? 'state' : 'run-time'} directory is ${own}`,
      )
  }
}

async function waitForMountpoint(
  request: MountpointRequest,
  cleanup: Cleanup,
): Promise<FoundSession | undefined> {
  const { mountpoint, places, clock } = request
  let claim: Claim | undefined
  cleanup.add('claim', () => claim?.release())
  let told: number | undefined
  let serving: FoundSession | undefined
  for (let waited = 0; waited < takeoverMs; waited += takeoverStepMs) {
    claim ??= await claimMountpoint(places.runtime, mountpoint)
    const sessions = listSessions(places.runtime)
    const here = sessions.filter(found => found.mountpoint === mountpoint)
    serving = here.find(({ running }) => running)
    if (serving === undefined) {
      if (claim !== undefined) return here[0]
    } else if (request.takeover !== true) {
      // Else it has just been unmounted, and that podfs is about to end, or it has just begun.
      if ((await mountAt(mountpoint)) !== undefined)
        throw alreadyServed(mountpoint, serving)
    } else if (told === undefined) {
      process.kill(serving.pid, takeoverSignal)
      told = serving.pid
    }
    await clock.sleep(takeoverStepMs)
  }
  if (serving !== undefined && told === undefined)
    throw alreadyServed(mountpoint, serving)
  throw new Failure(
    'failed',
    told === undefined
      ? `another podfs has begun to serve ${mountpoint}`
      : `podfs with pid ${told} did not let go of ${mountpoint}`,
  )
}

function alreadyServed(
  mountpoint: string,
  { pid, command }: FoundSession,
): Failure {
  const unmount = `podfs unmount ${shellWord(mountpoint)}`
  return new Failure(
    'failed',
    `${mountpoint} is already served by podfs with pid ${pid}`,
    {
      fix:
        command === 'serve'
          ? `podfs reload applies a changed podfs.yaml; ${unmount} ends it, with its Pods`
          : unmount,
    },
  )
}

async function isKept(abandoned: FoundSession): Promise<boolean> {
  const { directory, mountDirectory } = abandoned
  return (await nextKeeperOf(mountDirectory ?? directory)) !== undefined
}

async function isDead(mountpoint: string | undefined): Promise<boolean> {
  if (mountpoint === undefined) return false
  const type = (await mountAt(mountpoint))?.type
  return type === PODFS_TYPE && (await isDeadMount(mountpoint))
}

/**
 * The mount of a podfs that is gone, if it serves what is wanted now (`serves`, see Session):
 * programs that are in there notice nothing. Otherwise it is cleared away.
 */
export async function adoptAbandoned(
  abandoned: FoundSession,
  serves: string,
  {
    logger,
    clock,
    renewsDead,
  }: Pick<MountpointRequest, 'logger' | 'clock' | 'renewsDead'>,
): Promise<Backend | undefined> {
  const { mountDirectory: directory = abandoned.directory, mountpoint } =
    abandoned
  let mount: Backend | undefined
  if (abandoned.serves === serves) {
    mount = await adoptBackend(directory, logger.child({ mountpoint }))
    // That of an ordinary user's Pods goes with their namespaces, what is shown there does not.
    if (
      renewsDead === true &&
      (await isDead(mountpoint)) &&
      (await mountOf(directory)) !== undefined
    )
      mount ??= await deadBackend(directory)
  }
  if (mount === undefined) await clearAbandoned(abandoned, clock)
  logger.info(
    { formerPid: abandoned.pid, adopted: mount !== undefined },
    'found the mount of a podfs that is gone',
  )
  return mount
}

export interface SessionAtMountpoint extends SessionDirectory {
  /** Takes away what is shown at the mount point, whose parents may have new names. */
  readonly hide: (mount: CurrentMount) => Promise<void>
}

/**
 * The run-time directory of a session with a mount point, which is made if need be, and goes
 * with the session then; `adopted`: the session's mount is that of an abandoned one.
 */
export async function sessionAt(
  mountpoint: string,
  options: {
    readonly command: Session['command']
    readonly runtime: string
    readonly abandoned: FoundSession | undefined
    readonly adopted: Backend | undefined
  },
  cleanup: Cleanup,
): Promise<SessionAtMountpoint> {
  const { command, runtime, adopted } = options
  const abandoned = adopted && options.abandoned
  const madeMountpoint =
    abandoned === undefined
      ? await prepareMountpoint(mountpoint)
      : abandoned.madeMountpoint === true
  let shownAt = mountpoint
  if (madeMountpoint)
    cleanup.add('mount point', async () => {
      if ((await mountAt(shownAt)) === undefined) await rmdir(shownAt)
    })
  const session =
    abandoned === undefined
      ? await createSessionDirectory(runtime, command)
      : await adoptSessionDirectory(abandoned)
  cleanup.add('run-time directory', () => session.remove())
  session.update({ mountpoint, madeMountpoint })
  return {
    ...session,
    hide: async mount => {
      shownAt = await whereShown(mount, mountpoint, runtime)
      await mount.backend.unbind(shownAt, { lazy: true })
    },
  }
}

/**
 * The path at which a mount is shown now: a directory above its mount point may have been renamed
 * since. As it was, when nobody can say.
 */
async function whereShown(
  { backend, directory }: CurrentMount,
  mountpoint: string,
  runtime: string,
): Promise<string> {
  if ((await mountAt(mountpoint)) !== undefined) return mountpoint
  const device = await deviceOf(backend.directory)
  const name = path.basename(mountpoint)
  const elsewhere = (await podfsMounts()).filter(
    mount =>
      (mount.device === device || isUsersMountOf(mount, directory)) &&
      path.basename(mount.mountpoint) === name &&
      !isWithin(mount.mountpoint, runtime),
  )
  const [only, ...others] = elsewhere.map(mount => mount.mountpoint)
  return only === undefined || others.length > 0 ? mountpoint : only
}

/** Whether the directory had to be made. Throws a usage Failure when it cannot be used. */
async function prepareMountpoint(mountpoint: string): Promise<boolean> {
  try {
    if (!(await stat(mountpoint)).isDirectory())
      throw new Failure('usage', `${mountpoint} is not a directory`)
    if ((await readdir(mountpoint)).length > 0)
      throw new Failure('usage', `${mountpoint} is not empty`)
    return false
  } catch (error) {
    if (error instanceof Failure) throw error
    const { message } = error as Error
    if (!hasCode(error, 'ENOENT'))
      throw new Failure('usage', `cannot use ${mountpoint}: ${message}`, {
        cause: error,
      })
  }
  try {
    await mkdir(mountpoint)
  } catch (error) {
    const code = errorCode(error)
    throw new Failure('usage', `cannot make ${mountpoint}: ${code}`, {
      cause: error,
      ...(code === 'ENOENT'
        ? { fix: `mkdir -p ${shellWord(path.dirname(mountpoint))}` }
        : {}),
    })
  }
  return true
}
