import { constants } from 'node:fs'
import { type FileHandle, open, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../util/logger.ts'
import { cleanUpMount } from './clean-up-mount.ts'
import { ControlClient } from './control-client.ts'
import { hearServerTrouble } from '../keeper/daemon-pipe.ts'
import { type EnteredMount, enterMount } from './entered-mount.ts'
import { isDeadMount } from './is-dead-mount.ts'
import { KEEPER_GONE_MS, keeperOf, nextKeeperOf } from './keeper-of.ts'
import type { FuseMount } from './mount.ts'
import { useOwnPrograms } from './mount-programs.ts'
import { isUsersMountOf, mountOf } from './mount-of.ts'
import { PODFS_TYPE } from '../../linux/mountinfo.ts'
import { serverGone } from './server-gone.ts'
import { stopAbandonedMount } from './stop-abandoned-mount.ts'
import { watchMountTable } from '../../linux/watch-mount-table.ts'
import { hasCode } from '../../util/error-code.ts'

/** A keeper notices its daemon's death at once; a loaded machine takes longer. */
const ADOPT_MS = 10_000
const STEP_MS = 10
const WATCH_MS = 500
const LOOK_MS = 1000

const never = new Promise<never>(() => {})

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
  const mounted = await mountOf(directory)
  if (mounted?.type !== PODFS_TYPE) return undefined
  const { device, mountpoint } = mounted
  let keeperPid = await nextKeeperOf(directory)
  if (keeperPid === undefined) return undefined
  // Held open, it tells the keeper that this process lives.
  const life = await openAdoptPipe(directory)
  if (life === 'nobody') return undefined
  const control = new ControlClient(join(directory, 'control.sock'), () =>
    statfs(mountpoint),
  )
  let entered: EnteredMount
  try {
    // Publishing before that would get EROFS.
    for (let waited = 0; !(await control.connected(LOOK_MS));) {
      waited += LOOK_MS
      if (waited >= ADOPT_MS || (await isDeadMount(mountpoint)))
        throw new Error('no server')
    }
    entered = await enterMount(mounted, directory)
  } catch {
    control.close()
    await life?.close()
    return undefined
  }
  // Since then it may have been killed, and another one may have come.
  keeperPid = (await keeperOf(directory)) ?? keeperPid
  await useOwnPrograms(directory, keeperPid)

  const hearNoMore = hearServerTrouble(directory, logger)

  const over = new AbortController()
  const lost = (async () => {
    const isThere = async (): Promise<boolean> =>
      (await mountOf(directory))?.device === device
    const unmounted = unmountedAt(isThere, over.signal)
    let goneMs = 0
    while (goneMs < KEEPER_GONE_MS) {
      // With a keeper that was killed another server comes, and this one ends.
      if (goneMs === 0)
        await Promise.race([serverGone(directory, over.signal), unmounted])
      // Unref: it is no reason for this process to live.
      const wait = { ref: false, signal: over.signal }
      await delay(WATCH_MS, undefined, wait).catch(() => undefined)
      if (over.signal.aborted) return await never
      try {
        if (!(await isThere())) {
          // By somebody; its private path is podfs's own, and its absence a loss.
          if (isUsersMountOf(mounted, directory)) return await never
          break
        }
      } catch {
        // Without a descriptor left it is not known to be gone, and nor is its keeper.
        continue
      }
      const found = await keeperOf(directory)
      keeperPid = found ?? keeperPid
      goneMs = found === undefined ? goneMs + WATCH_MS : 0
      // With the last server the connection has ended, too: nobody can come any more.
      if (found === undefined && (await isDeadMount(mountpoint))) break
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
    await entered.leave()
    await life?.close()
    await cleanUpMount(directory, device, serverPid)
  }
  return {
    directory: entered.directory,
    device,
    bind: entered.bind,
    unbind: entered.unbind,
    fill: entered.fill,
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
  isThere: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>(resolve => {
    const unwatch = watchMountTable(() => {
      isThere().then(
        there => there || resolve(),
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
