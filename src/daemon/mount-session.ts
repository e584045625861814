import { mkdir, readdir, rmdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { keyOf } from '../api/object-key.ts'
import { keeperOf } from '../fuse/adopt-mount.ts'
import { SessionRecord } from '../server/session-record.ts'
import { Store } from '../store/store.ts'
import { allSettled } from '../util/all-settled.ts'
import { Failure } from '../util/failure.ts'
import { adoptBackend, type Backend, openBackend } from '../volumes/backend.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import { clearAbandoned, clearDeadMount } from './abandoned-mount.ts'
import {
  chooseVolumes,
  shownVolume,
  type MountTarget,
} from './chosen-volumes.ts'
import { abortable } from '../util/abortable.ts'
import { Cleanup } from './cleanup.ts'
import { claimMountpoint } from './claim-mountpoint.ts'
import { explainedFailure } from './machine-failure.ts'
import { thisNode } from './node-info.ts'
import {
  adoptSessionDirectory,
  createSessionDirectory,
  type FoundSession,
  listSessions,
} from './runtime-directory.ts'
import { isMounted, unmountedByOthers } from './unmounted.ts'
import { type CurrentMount, RenewedMount } from './renewed-mount.ts'
import { ServedVolumes } from './served-volumes.ts'
import { lazyServiceAccounts, type SessionOptions } from './session.ts'
import { startSessionServer, volumeRecorder } from './session-server.ts'

/** Ends a podfs without its mount; also one that does not know of it. */
export const takeoverSignal = 'SIGUSR2'
const takeoverMs = 5000
const takeoverStepMs = 10

export interface MountRequest extends SessionOptions {
  readonly target: MountTarget
  /** Absolute. */
  readonly mountpoint: string
  readonly allowOther: boolean
  readonly detached: boolean
  /** Whether a podfs that serves the mount point has to hand it over. */
  readonly takeover?: boolean
  /** Gives up waiting for what a volume still lacks. */
  readonly abort: AbortSignal
}

export interface MountSession {
  readonly volumes: number
  /** RUNTIME/ID, for the log of a detached session. */
  readonly directory: string
  /** Resolves with the reason when the mount ends without having been told to. */
  readonly lost: Promise<string>
  close(): Promise<void>
}

/**
 * Mounts, publishes, and only then shows the result at the mount point, so that nobody ever
 * sees it empty. Resolves when the first byte can be read; whatever fails before that is
 * undone.
 */
export async function mountVolumes(
  request: MountRequest,
): Promise<MountSession> {
  const { logger, places, mountpoint } = request
  const cleanup = new Cleanup(logger)
  try {
    const store = new Store()
    let abandoned = await takeMountpoint(request, cleanup)
    if (abandoned !== undefined && !(await isKept(abandoned))) {
      // First of all: a dead mount disturbs whoever reads a directory beside it.
      logger.warn(
        { mountpoint, pid: abandoned.pid },
        'what a podfs that is gone has left is cleared away',
      )
      await clearAbandoned(abandoned)
      abandoned = undefined
    }
    if (abandoned === undefined) await clearDeadMount(mountpoint, logger)
    const known = abandoned && (await chooseVolumes(request, store, cleanup))
    const adopted =
      abandoned && known && (await adopt(abandoned, request, known.only))
    const madeMountpoint =
      adopted === undefined
        ? await prepareMountpoint(mountpoint)
        : abandoned?.madeMountpoint === true
    if (madeMountpoint) cleanup.add('mount point', () => rmdir(mountpoint))
    const session =
      adopted === undefined || abandoned === undefined
        ? await createSessionDirectory(places.runtime, 'mount')
        : await adoptSessionDirectory(abandoned)
    cleanup.add('run-time directory', () => session.remove())
    await session.update({ mountpoint, madeMountpoint })

    const open = (directory: string): Promise<Backend> =>
      openBackend(request.settings.backend, {
        directory,
        allowOther: request.allowOther,
        answerOpens: request.settings.fuse.answerOpens,
        lifetime: request.detached ? 'detach' : 'mount',
        logger,
        shown: {
          subdirectory: shownVolume(request.target),
          target: mountpoint,
        },
      })
    let stopMount = (): Promise<void> => Promise.resolve()
    cleanup.add('mount', () => stopMount())
    const [mount, { pod, only }, node] = await allSettled([
      (adopted === undefined
        ? open(session.directory)
        : Promise.resolve(adopted)
      ).then(mount => {
        stopMount = () => mount.stop()
        return mount
      }),
      Promise.resolve(known ?? chooseVolumes(request, store, cleanup)),
      thisNode(),
    ])
    const record = new SessionRecord(request.clock)
    const accounts = lazyServiceAccounts(request)
    const shown = shownVolume(request.target)
    const renewed = new RenewedMount(
      {
        backend: mount,
        directory: (adopted && abandoned?.mountDirectory) ?? session.directory,
      },
      { ...request, session, open },
    )
    stopMount = () => renewed.stop()
    const show = ({ backend }: CurrentMount): Promise<void> =>
      backend.bind(shown, mountpoint)
    const volumes = new ServedVolumes(renewed, {
      ...request,
      pod,
      only,
      store,
      node,
      ...accounts,
      adopted: adopted !== undefined,
      show,
      historyBudget: new HistoryBudget(),
      onState: volumeRecorder({
        record,
        pod,
        withoutPod: request.target.kind !== 'pod',
        mountpoints: name => [
          shown === '' ? path.join(mountpoint, name) : mountpoint,
        ],
      }),
    })
    const closeVolumes = async (): Promise<void> => {
      await volumes.close()
      await renewed.close()
    }
    cleanup.add('volumes', closeVolumes)
    const unsubscribe = store.watch(events => {
      for (const { type, object } of events)
        if (
          type === 'MODIFIED' &&
          object.kind === 'Pod' &&
          keyOf(object) === keyOf(pod)
        )
          volumes.updatePod(object)
    })
    cleanup.add('watch', unsubscribe)
    await abortable(volumes.allPublished(), request.abort)
    await show(renewed.current)
    cleanup.add('public mount', async () => {
      await closeVolumes()
      await renewed.current.backend.unbind(mountpoint, { lazy: true })
    })
    await session.update({ serves: whatIsServed(request, only) })
    cleanup.add(
      'API',
      startSessionServer({
        ...request,
        session,
        store,
        record,
        node,
        mount: renewed,
        issuer: accounts.issuer,
      }),
    )
    // Asked before anybody hears that it is ready, and may unmount it.
    const unmounted = (await isMounted(mountpoint))
      ? [unmountedByOthers(mountpoint, request.clock, request.abort)]
      : [] // a plain directory
    return {
      volumes: volumes.names.length,
      directory: session.directory,
      lost: Promise.race([renewed.lost(), ...unmounted]),
      close: () => cleanup.run(),
    }
  } catch (error) {
    await cleanup.run()
    throw await explainedFailure(error, request.places)
  }
}

/**
 * Refuses a mount point that is served, unless it is to be taken over: then that podfs ends
 * and leaves its mount. Returns what a podfs that is gone has left there. Of several that begin
 * at the same moment one gets it; the others wait until it can be said who.
 */
async function takeMountpoint(
  request: MountRequest,
  cleanup: Cleanup,
): Promise<FoundSession | undefined> {
  const { mountpoint, places, clock } = request
  let claim: { release(): void } | undefined
  cleanup.add('claim', () => claim?.release())
  let told: number | undefined
  for (let waited = 0; waited < takeoverMs; waited += takeoverStepMs) {
    claim ??= await claimMountpoint(places.runtime, mountpoint)
    const sessions = await listSessions(places.runtime)
    const here = sessions.filter(found => found.mountpoint === mountpoint)
    const serving = here.find(({ running }) => running)
    if (serving === undefined && claim !== undefined) return here[0]
    if (serving !== undefined && request.takeover !== true)
      throw new Failure(
        'failed',
        `${mountpoint} is already served by podfs with pid ${serving.pid}`,
        { fix: `podfs unmount ${mountpoint}` },
      )
    if (serving !== undefined && told === undefined) {
      process.kill(serving.pid, takeoverSignal)
      told = serving.pid
    }
    await clock.sleep(takeoverStepMs)
  }
  throw new Failure(
    'failed',
    told === undefined
      ? `another podfs has begun to serve ${mountpoint}`
      : `podfs with pid ${told} did not let go of ${mountpoint}`,
  )
}

async function isKept(abandoned: FoundSession): Promise<boolean> {
  const { directory, mountDirectory } = abandoned
  return (await keeperOf(mountDirectory ?? directory)) !== undefined
}

/**
 * The mount of a podfs that is gone, if it serves what is wanted now: programs that are in
 * there notice nothing. Otherwise it is cleared away.
 */
async function adopt(
  abandoned: FoundSession,
  request: MountRequest,
  volumes: readonly string[],
): Promise<Backend | undefined> {
  const { logger } = request
  const { directory, mountDirectory, serves } = abandoned
  const mount =
    serves === whatIsServed(request, volumes)
      ? await adoptBackend(mountDirectory ?? directory)
      : undefined
  if (mount === undefined) await clearAbandoned(abandoned)
  logger.info(
    { pid: abandoned.pid, adopted: mount !== undefined },
    'found the mount of a podfs that is gone',
  )
  return mount
}

/** Equal for two requests whose mounts are laid out and protected alike. */
function whatIsServed(
  request: MountRequest,
  volumes: readonly string[],
): string {
  const { allowOther, settings, target } = request
  return JSON.stringify([
    settings.backend,
    settings.fuse.answerOpens,
    allowOther,
    shownVolume(target),
    ...volumes,
  ])
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
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT')
      throw new Failure('usage', `cannot use ${mountpoint}: ${message}`, {
        cause: error,
      })
  }
  try {
    await mkdir(mountpoint)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Failure('usage', `cannot make ${mountpoint}: ${code}`, {
      cause: error,
      ...(code === 'ENOENT'
        ? { fix: `mkdir -p ${path.dirname(mountpoint)}` }
        : {}),
    })
  }
  return true
}
