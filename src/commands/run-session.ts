import type { RunRequest, RunSession } from './run-pods.ts'
import { createImageMap, parseImageFlag } from '../runner/launch/images.ts'
import { type Backend } from '../volumes/backend.ts'
import { openBackend } from '../volumes/open-backend.ts'
import type { Cleanup } from '../session/cleanup.ts'
import { refuseChroot } from '../session/refuse-chroot.ts'
import { networkProvider } from '../session/pod-network-provider.ts'
import { RenewedMount } from '../session/renewed-mount.ts'
import { createSessionDirectory } from '../session/runtime-directory.ts'
import { startOrUndo } from '../session/start-or-undo.ts'
import { inBackground } from '../util/in-background.ts'

/**
 * Starts the chosen Pods and keeps them equal to what the files say. Resolves as soon as they
 * are under way; their containers wait by themselves for volumes and objects that are not
 * there yet.
 */
export async function startPods(request: RunRequest): Promise<RunSession> {
  return await startOrUndo(request, cleanup => start(request, cleanup))
}

async function start(
  request: RunRequest,
  cleanup: Cleanup,
): Promise<RunSession> {
  const { logger, settings, places } = request
  refuseChroot()
  const provider = networkProvider(settings, places)
  const images = createImageMap([
    ...settings.images,
    ...request.images.map(parseImageFlag),
  ])
  const session = await createSessionDirectory(places.runtime, 'run')
  cleanup.add('run-time directory', () => session.remove())
  const open = (directory: string): Promise<Backend> =>
    openBackend(settings.backend, {
      directory,
      allowOther: true,
      answerOpens: settings.fuse.answerOpens,
      lifetime: 'run',
      logger,
    })
  // First, and all other code is loaded meanwhile: the file server takes as long to start as
  // everything that comes before the first container.
  const mount = open(session.directory).then(backend => {
    const mount = new RenewedMount(
      { backend, directory: session.directory },
      { session, open, logger },
    )
    inBackground(
      mount
        .lost()
        .then(reason => logger.error({ reason }, 'the volumes are lost')),
    )
    return mount
  })
  // Told by whoever waits for it.
  mount.catch(() => undefined)
  cleanup.add('mount', async () => (await mount.catch(() => undefined))?.stop())
  const { runPods } = await import('./run-pods.ts')
  const prepared = { session, mount, images, ...(provider && { provider }) }
  return await runPods(request, prepared, cleanup)
}
