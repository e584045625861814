import { isWithin } from '../linux/is-within.ts'
import { isUsersMount, podfsMounts } from '../linux/mountinfo.ts'
import type { Clock } from '../util/clock.ts'
import { hasPlainDirectory } from '../volumes/plain-directory.ts'
import { Failure } from '../util/failure.ts'
import { holdersOf } from '../session/mount-holders.ts'
import { isRunning } from '../linux/process-identity.ts'
import { shellWord } from '../util/shell-word.ts'
import { clearAbandoned, unmountPodfs } from '../session/abandoned-mount.ts'
import { asFailure } from '../session/failures.ts'
import { type FoundSession, listSessions } from '../session/session-file.ts'

/** How long a podfs that was told to stop may take before its mount is taken from it. */
const stopMs = 10_000
/** The Pods of `podfs serve` have their grace periods first. */
const serveStopMs = 60_000
const stopStepMs = 20

/**
 * Ends the podfs that serves a mount point, and resolves when the mount is gone. What a killed
 * podfs left is cleared away.
 *
 * Throws a Failure when nothing of podfs is mounted there, or when processes hold it and
 * `lazy` is not set.
 */
export async function unmount(options: {
  readonly mountpoint: string
  readonly runtime: string
  readonly lazy: boolean
  readonly clock: Clock
}): Promise<void> {
  const { mountpoint, lazy, clock } = options
  const sessions = listSessions(options.runtime)
  const session = sessions.find(found => found.mountpoint === mountpoint)
  const mounts = await podfsMounts()
  const mounted = mounts.some(mount => mount.mountpoint === mountpoint)
  const abandoned =
    session?.running === false && (await hasPlainDirectory(session.directory))
  if (!mounted && !abandoned && session?.running !== true)
    throw new Failure('usage', `podfs does not serve ${mountpoint}`)
  if (!lazy && mounted) {
    // The podfs that serves an ordinary user's mount writes there, too.
    const holders = (await holdersOf(mountpoint)).filter(
      ({ pid }) => session?.running !== true || pid !== session.pid,
    )
    if (holders.length > 0)
      throw new Failure(
        'failed',
        `${mountpoint} is busy: ${holders.map(({ pid, name }) => `${name} (pid ${pid})`).join(', ')}`,
        { fix: `end them, or: podfs unmount --lazy ${shellWord(mountpoint)}` },
      )
  }
  if (session?.running === true) {
    const longestMs = session.command === 'serve' ? serveStopMs : stopMs
    // Looking for holders takes its time: it may have ended meanwhile.
    if (isRunning(session)) process.kill(session.pid, 'SIGTERM')
    for (let waited = 0; waited < longestMs; waited += stopStepMs) {
      if (!isRunning(session)) return await unmountLeft(session)
      await clock.sleep(stopStepMs)
    }
    throw new Failure(
      'failed',
      `podfs with pid ${session.pid} was told to stop and has not within ${longestMs / 1000} s`,
    )
  }
  await asTold(
    session === undefined
      ? unmountPodfs(mountpoint)
      : clearAbandoned(session, clock),
  )
}

/** What a podfs that has ended could not unmount, an ordinary user's: the reason is told here, too. */
async function unmountLeft({
  mountpoint = '',
  directory,
}: FoundSession): Promise<void> {
  const isLeft = (await podfsMounts()).some(
    mount =>
      mount.mountpoint === mountpoint &&
      isUsersMount(mount) &&
      isWithin(mount.source, directory),
  )
  if (isLeft) await asTold(unmountPodfs(mountpoint))
}

async function asTold(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    throw asFailure(error)
  })
}
