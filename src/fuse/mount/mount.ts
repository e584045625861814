/**
 * The daemon's side of a mount. What it must know:
 *
 * - The daemon never holds /dev/fuse. The keeper opens it; a process that has it and works
 *   on that mount hangs for ever, beyond SIGKILL, when it dies at the wrong moment.
 * - The daemon works through the descriptor in `directory`, never by path: after somebody's
 *   `umount -l`, writes by path land on the disk underneath (seen twice).
 * - Everybody else sees binds, made read-only by the kernel, not by the server: with OPEN
 *   unanswered, a server that refuses WRITE does not stop a shared writable mmap. An ordinary
 *   user can bind nothing; there the server answers each OPEN, and nobody gets to write.
 * - The order of the end is the keeper's, see keeper.sh. Before it, the server makes the
 *   kernel forget what it cached, because copies of the mount in other namespaces stay.
 */
import { statfs } from 'node:fs/promises'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../util/logger.ts'
import type { FillDirectory } from '../../util/new-entry.ts'
import { cleanUpMount } from './clean-up-mount.ts'
import { ControlClient } from './control-client.ts'
import { hearServerTrouble } from '../keeper/daemon-pipe.ts'
import {
  type EnteredMount,
  enterPrivate,
  enterPublic,
} from './entered-mount.ts'
import { isKeeper } from '../keeper/is-keeper.ts'
import {
  keeperEvents,
  type PublicPlace,
  startKeeper,
} from './keeper-process.ts'
import { mountOf } from './mount-of.ts'
import { type StartedKeeper, startUserKeeper } from './start-user-keeper.ts'
import { MountError } from '../../linux/mount-error.ts'

export interface FuseMountOptions {
  /** RUNTIME/ID: exists, 0700. Removed when the mount ends and nothing else is in it. */
  readonly directory: string
  /**
   * For an ordinary user, who can bind nothing: the one place where the mount is seen, and what of
   * it is. It is seen empty until that is bound there.
   */
  readonly publicAt?: PublicPlace
  /** Let other users than the mount's owner in; for root only, or where fuse.conf permits. */
  readonly allowOther: boolean
  /**
   * false, the fast way: opens are not answered and cost nothing. true: where nothing can be
   * bound read-only; the server then refuses to open for writing.
   */
  readonly answerOpens: boolean
  /** When the daemon dies: end at once, wait 30 s for the next one, or stay. */
  readonly lifetime: 'run' | 'mount' | 'detach'
  readonly logger: Logger
  /** For tests: a file that says where the server has to die, see fault-points.ts. */
  readonly faults?: string
}

export interface FuseMount {
  /** `/proc/self/fd/N` of the private read-write mount. */
  readonly directory: string
  /** `MAJOR:MINOR`, as in mountinfo. */
  readonly device: string
  /** Binds a directory of the mount ('' = all of it) read-only at an existing directory. */
  bind(subdirectory: string, target: string): Promise<void>
  /** MOUNT_BUSY when somebody is in there, unless lazy. */
  unbind(target: string, options?: { readonly lazy?: boolean }): Promise<void>
  readonly fill: FillDirectory
  /** Resolves with the reason when the mount is lost; never after `stop`. */
  readonly lost: Promise<string>
  /**
   * `nodes` in the tree, requests per operation since the current server started, and
   * `serverRestarts` of this mount.
   */
  stats(): Promise<Readonly<Record<string, number>>>
  /** The server's process, once it has a control connection. */
  readonly serverPid: number | undefined
  readonly keeperPid: number
  stop(): Promise<void>
}

/** A server that does not take control connections must not delay the end. */
const CONTROL_MS = 1000
/** A killed keeper's successor takes some hundredths of a second. */
const STOP_WAIT_MS = 500
const STOP_WAITS = 10

export async function mountFuse(options: FuseMountOptions): Promise<FuseMount> {
  const { directory, logger } = options
  const rw = join(directory, 'rw')
  mkdirSync(rw, { mode: 0o700 })
  const { keeper, events } = await start(options).catch(async error => {
    await cleanUpMount(directory, undefined)
    throw error
  })
  const device = await events.mounted
  if (device === undefined) {
    await cleanUpMount(directory, undefined)
    throw new MountError('MOUNT_FAILED', rw, await events.reason)
  }
  const hearNoMore = hearServerTrouble(directory, logger)
  const { publicAt } = options
  const control = new ControlClient(join(directory, 'control.sock'), () =>
    statfs(publicAt?.target ?? rw),
  )
  let entered: EnteredMount
  try {
    entered =
      publicAt === undefined
        ? await enterPrivate(rw, device)
        : await enterPublic(publicAt.target)
  } catch (cause) {
    control.close()
    hearNoMore()
    keeper.kill('SIGTERM')
    throw new MountError('MOUNT_FAILED', rw, await events.reason, { cause })
  }

  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    const over = events.ended.then(() => true)
    const isOver = await Promise.race([over, delay(0, false)])
    if (!isOver && (await control.connected(CONTROL_MS)))
      await control.ask('stop-prepare')
    // Again only when the keeper was killed and another one is taking its place. A keeper that
    // has given up leaves the rest to this process.
    const mostWaits = isOver ? 0 : STOP_WAITS
    for (let waits = 0; waits < mostWaits; waits++) {
      // What is this process's child is known without a look, which takes a descriptor.
      if (events.pid === keeper.pid) keeper.kill('SIGTERM')
      else if (await isKeeper(events.pid, directory))
        process.kill(events.pid, 'SIGTERM')
      const wait = new AbortController()
      const { signal } = wait
      const soon = delay(STOP_WAIT_MS, false, { signal }).catch(() => false)
      const isDone = await Promise.race([over, soon])
      wait.abort()
      if (isDone) break
    }
    const { serverPid } = control
    control.close()
    hearNoMore()
    await entered.leave()
    // Nothing is left to do unless the keeper was killed.
    await cleanUpMount(directory, device, serverPid)
    events.close()
  }

  return {
    directory: entered.directory,
    device,
    bind: entered.bind,
    unbind: entered.unbind,
    fill: entered.fill,
    lost: (async () => {
      const reason = await events.reason
      const isLost = stopping === undefined && (await isStillMounted(options))
      return isLost ? reason : new Promise<never>(() => {})
    })(),
    stats: async () => ({
      ...(await control.stats()),
      serverRestarts: events.serverDeaths,
    }),
    get serverPid() {
      return control.serverPid
    },
    get keeperPid() {
      return events.pid
    },
    stop: () => (stopping ??= stop()),
  }
}

async function start(options: FuseMountOptions): Promise<StartedKeeper> {
  const { publicAt, logger } = options
  if (publicAt !== undefined)
    return await startUserKeeper({ ...options, publicAt })
  const keeper = await startKeeper(options)
  return { keeper, events: keeperEvents(keeper, logger) }
}

/**
 * Its private path is podfs's own. What an ordinary user has unmounted is not lost, and not to be
 * made anew.
 */
async function isStillMounted({
  publicAt,
  directory,
}: FuseMountOptions): Promise<boolean> {
  return publicAt === undefined || (await mountOf(directory)) !== undefined
}
