import { constants } from 'node:fs'
import { type FileHandle, open, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../util/logger.ts'
import { bindReadOnly } from '../../linux/bind-read-only.ts'
import { cleanUpMount } from './clean-up-mount.ts'
import { ControlClient } from './control-client.ts'
import { hearServerTrouble } from '../keeper/daemon-pipe.ts'
import { Filler } from '../wire/fill.ts'
import { isDeadMount } from './is-dead-mount.ts'
import { KEEPER_GONE_MS, keeperOf, nextKeeperOf } from './keeper-of.ts'
import type { FuseMount } from './mount.ts'
import { useOwnPrograms } from './mount-programs.ts'
import { mountAt, PODFS_TYPE } from '../../linux/mountinfo.ts'
import { serverGone } from './server-gone.ts'
import { stopAbandonedMount } from './stop-abandoned-mount.ts'
import { unmountPath } from '../../linux/unmount-path.ts'
import { watchMountTable } from '../../linux/watch-mount-table.ts'
import { hasCode } from '../../util/error-code.ts'

/** A keeper notices its daemon's death at once; a loaded machine takes longer. */
const ADOPT_MS = 10_000
const STEP_MS = 10
const WATCH_MS = 500
const LOOK_MS = 1000

/**
 * Takes over a mount whose daemon has died, given its runtime directory: open files, working
 * directories and inotify watches in it stay what they are. What that daemon was just writing
 * is half-made: AtomicWriter.recover() first. `undefined`: there is nobody to take it from.
 *
 * The keeper goes by what it was started with: it waits 30 s for the next daemon (`mount`),
 * or for ever (`detach`).
 */
export async function adoptMount(
  directory: string,
  logger: Logger,
): Promise<FuseMount | undefined> {
  const rw = join(directory, 'rw')
  const mounted = await mountAt(rw)
  if (mounted?.type !== PODFS_TYPE) return undefined
  const { device } = mounted
  let keeperPid = await nextKeeperOf(directory)
  if (keeperPid === undefined) return undefined
  // Held open, it tells the keeper that this process lives.
  const life = await openAdoptPipe(directory)
  if (life === 'nobody') return undefined
  const control = new ControlClient(join(directory, 'control.sock'), () =>
    statfs(rw),
  )
  let root: FileHandle | undefined
  try {
    // Publishing before that would get EROFS.
    for (let waited = 0; !(await control.connected(LOOK_MS));) {
      waited += LOOK_MS
      if (waited >= ADOPT_MS || (await isDeadMount(rw)))
        throw new Error('no server')
    }
    root = await open(rw, 'r')
  } catch {
    control.close()
    await life?.close()
    return undefined
  }
  // Since then it may have been killed, and another one may have come.
  keeperPid = (await keeperOf(directory)) ?? keeperPid
  await useOwnPrograms(directory, keeperPid)

  const hearNoMore = hearServerTrouble(directory, logger)

  const rootPath = `/proc/self/fd/${root.fd}`
  const filler = new Filler(rootPath)

  const over = new AbortController()
  const lost = (async () => {
    const unmounted = unmountedAt(rw, device, over.signal)
    let goneMs = 0
    while (goneMs < KEEPER_GONE_MS) {
      // With a keeper that was killed another server comes, and this one ends.
      if (goneMs === 0)
        await Promise.race([serverGone(directory, over.signal), unmounted])
      // Unref: it is no reason for this process to live.
      const wait = { ref: false, signal: over.signal }
      await delay(WATCH_MS, undefined, wait).catch(() => undefined)
      if (over.signal.aborted) return await new Promise<never>(() => {})
      try {
        if ((await mountAt(rw))?.device !== device) break
      } catch {
        // Without a descriptor left it is not known to be gone, and nor is its keeper.
        continue
      }
      const found = await keeperOf(directory)
      keeperPid = found ?? keeperPid
      goneMs = found === undefined ? goneMs + WATCH_MS : 0
      // With the last server the connection has ended, too: nobody can come any more.
      if (found === undefined && (await isDeadMount(rw))) break
    }
    return 'the keeper is gone'
  })()

  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    over.abort()
    const { serverPid } = control
    await stopAbandonedMount(directory)
    control.close()
    hearNoMore()
    await filler.close().catch(() => undefined)
    await root.close().catch(() => undefined)
    await life?.close()
    await cleanUpMount(directory, device, serverPid)
  }
  return {
    directory: rootPath,
    device,
    bind: (subdirectory, target) =>
      bindReadOnly(join(rw, subdirectory), target, device),
    unbind: unmountPath,
    fill: filler.fill,
    lost,
    stats: () => control.stats(),
    get serverPid() {
      return control.serverPid
    },
    get keeperPid() {
      return keeperPid as number
    },
    stop: () => (stopping ??= stop()),
  }
}

/** Resolves when something else is there, or nothing. */
async function unmountedAt(
  rw: string,
  device: string,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>(resolve => {
    const unwatch = watchMountTable(() => {
      mountAt(rw).then(
        mount => mount?.device === device || resolve(),
        // Without a descriptor left it is not known.
        () => undefined,
      )
    })
    signal.addEventListener('abort', unwatch)
  })
}

/**
 * undefined: the keeper was told to stay and has no such pipe. It opens its end when it has
 * noticed that its daemon is gone.
 */
async function openAdoptPipe(
  directory: string,
): Promise<FileHandle | undefined | 'nobody'> {
  // Not blocking: without a reader it is ENXIO.
  const flags = constants.O_WRONLY | constants.O_NONBLOCK
  for (let waited = 0; waited < ADOPT_MS; waited += STEP_MS) {
    try {
      return await open(join(directory, 'adopt'), flags)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      if (!hasCode(error, 'ENXIO')) return 'nobody'
    }
    await delay(STEP_MS)
  }
  return 'nobody'
}
