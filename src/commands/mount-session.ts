import { type MountRequest, shownVolume, mountLayout } from './mount-target.ts'
import type { MountSession } from './mounted-volumes.ts'
import { type Backend } from '../volumes/backend.ts'
import { openBackend } from '../volumes/open-backend.ts'
import type { Cleanup } from '../session/cleanup.ts'
import {
  adoptAbandoned,
  sessionAt,
  takeMountpoint,
} from '../session/public-mountpoint.ts'
import { startOrUndo } from '../session/start-or-undo.ts'

/**
 * Mounts, publishes, and only then shows the result at the mount point, so that nobody ever
 * sees it empty. Resolves when the first byte can be read; whatever fails before that is
 * undone.
 */
export async function mountVolumes(
  request: MountRequest,
): Promise<MountSession> {
  return await startOrUndo(request, cleanup => start(request, cleanup))
}

async function start(
  request: MountRequest,
  cleanup: Cleanup,
): Promise<MountSession> {
  const { logger, places, mountpoint } = request
  const abandoned = await takeMountpoint(request, cleanup)
  const known =
    abandoned &&
    (await import('./mounted-volumes.ts').then(({ readVolumes }) =>
      readVolumes(request, cleanup),
    ))
  const adopted =
    abandoned &&
    known &&
    (await adoptAbandoned(abandoned, mountLayout(request, known.only), request))
  const session = await sessionAt(
    mountpoint,
    { command: 'mount', runtime: places.runtime, abandoned, adopted },
    cleanup,
  )

  const open = (directory: string): Promise<Backend> =>
    openBackend(request.settings.backend, {
      directory,
      allowOther: request.allowOther,
      answerOpens: request.settings.fuse.answerOpens,
      lifetime: request.detached ? 'detach' : 'mount',
      logger: logger.child({ mountpoint }),
      shown: {
        subdirectory: shownVolume(request.target),
        target: mountpoint,
      },
    })
  // First, and all other code is loaded meanwhile: the file server takes as long to start as
  // everything that comes before the first write.
  const mount =
    adopted === undefined ? open(session.directory) : Promise.resolve(adopted)
  let stopMount = async (): Promise<void> =>
    (await mount.catch(() => undefined))?.stop()
  // Told by whoever waits for it.
  mount.catch(() => undefined)
  cleanup.add('mount', async () => {
    await stopMount()
    if (adopted === undefined) return
    const { clearMounts } = await import('../session/session-mounts.ts')
    await clearMounts(session.directory)
  })
  const { serveVolumes } = await import('./mounted-volumes.ts')
  return await serveVolumes(
    request,
    {
      session,
      mount,
      open,
      known,
      adopted: adopted !== undefined,
      directory: (adopted && abandoned?.mountDirectory) ?? session.directory,
      stopWith: stop => (stopMount = stop),
    },
    cleanup,
  )
}
