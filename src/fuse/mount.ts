/**
 * The daemon's side of a mount. What it must know:
 *
 * - The daemon never holds /dev/fuse. The keeper opens it; a process that has it and works
 *   on that mount hangs for ever, beyond SIGKILL, when it dies at the wrong moment.
 * - The daemon works through the descriptor in `directory`, never by path: after somebody's
 *   `umount -l`, writes by path land on the disk underneath (seen twice).
 * - Everybody else sees binds, made read-only by the kernel, not by the server: with OPEN
 *   unanswered, a server that refuses WRITE does not stop a shared writable mmap.
 * - The order of the end is the keeper's, see keeper.sh. Before it, the server makes the
 *   kernel forget what it cached, because copies of the mount in other namespaces stay.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, type FileHandle } from 'node:fs/promises'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Logger } from '../util/logger.ts'
import { ControlClient } from './control-client.ts'
import { closeJournals, createJournals } from './create-journals.ts'
import { entryPoints } from './entry-points.ts'
import { MountError } from './mount-error.ts'
import { escapeMountPath, mountAt } from './mountinfo.ts'
import { cleanUpMount } from './clean-up-mount.ts'
import { mountPath, runMountCommand } from './run-mount-command.ts'
import { unmountPath } from './unmount-path.ts'

export interface FuseMountOptions {
  /** RUNTIME/ID: exists, 0700. Removed when the mount ends and nothing else is in it. */
  readonly directory: string
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
  /** Deaths of the server within ten seconds before the keeper gives up. Default 5. */
  readonly maxFailures?: number
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
  /** Resolves with the reason when the mount is lost; never after `stop`. */
  readonly lost: Promise<string>
  /** Requests per operation since the current server started. */
  stats(): Promise<Readonly<Record<string, number>>>
  /** The server's process, once it has a control connection. */
  readonly serverPid: number | undefined
  readonly keeperPid: number
  stop(): Promise<void>
}

/** A server that does not take control connections must not delay the end. */
const STOP_CONTROL_MS = 1000

export async function mountFuse(options: FuseMountOptions): Promise<FuseMount> {
  const { directory, logger } = options
  const rw = join(directory, 'rw')
  mkdirSync(rw, { mode: 0o700 })
  const keeper = startKeeper(options, rw)
  const events = keeperEvents(keeper, logger)
  const device = await events.mounted
  if (device === undefined) {
    await cleanUpMount(directory, undefined)
    throw new MountError('MOUNT_FAILED', rw, await events.reason)
  }
  const control = new ControlClient(join(directory, 'control.sock'))
  let root: FileHandle
  try {
    // Waits for the first server, on a thread of the pool.
    root = await open(rw, 'r')
  } catch (cause) {
    control.close()
    keeper.kill('SIGTERM')
    throw new MountError('MOUNT_FAILED', rw, await events.reason, { cause })
  }

  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    if (keeper.exitCode === null && keeper.signalCode === null) {
      if (await control.connected(STOP_CONTROL_MS))
        await control.ask('stop-prepare')
      keeper.kill('SIGTERM')
    }
    await events.reason
    const { serverPid } = control
    control.close()
    await root.close().catch(() => undefined)
    // Nothing is left to do unless the keeper was killed.
    await cleanUpMount(directory, device, serverPid)
  }

  return {
    directory: `/proc/self/fd/${root.fd}`,
    device,
    bind: (subdirectory, target) =>
      bindReadOnly(join(rw, subdirectory), target, device),
    unbind: unmountPath,
    lost: (async () => {
      const reason = await events.reason
      return stopping === undefined ? reason : new Promise<never>(() => {})
    })(),
    stats: async () =>
      ((await control.ask('stats')) ?? {}) as Record<string, number>,
    get serverPid() {
      return control.serverPid
    },
    keeperPid: keeper.pid as number,
    stop: () => (stopping ??= stop()),
  }
}

function startKeeper(options: FuseMountOptions, rw: string): ChildProcess {
  const { server, keeper } = entryPoints()
  const journals = createJournals(options.directory)
  try {
    return spawn(
      '/bin/sh',
      [
        keeper,
        options.directory,
        escapeMountPath(rw),
        options.allowOther ? ',allow_other' : '',
        options.lifetime,
        String(options.maxFailures ?? 5),
        process.execPath,
        server,
        options.answerOpens ? 'answer-opens' : 'no-opens',
      ],
      {
        // A session of its own: a Ctrl-C at the terminal must not end the mount.
        detached: true,
        cwd: '/',
        // Nothing of NODE_OPTIONS: an inspector or a loader has no place in the server.
        env: { PATH: mountPath(), LC_ALL: 'C' },
        // 3 is opened by the keeper itself. 6: its end of file means that this process is gone.
        stdio: ['ignore', 'pipe', 'pipe', 'ignore', ...journals, 'pipe'],
      },
    )
  } finally {
    closeJournals(journals)
  }
}

interface KeeperEvents {
  /** The mount's device; undefined when the keeper ended before. */
  readonly mounted: Promise<string | undefined>
  /** Why the keeper ended. */
  readonly reason: Promise<string>
}

function keeperEvents(keeper: ChildProcess, logger: Logger): KeeperEvents {
  let reason: string | undefined
  const ended = Promise.race([
    // Not `close`: a watcher of the keeper may hold the pipes a moment longer.
    once(keeper, 'exit') as Promise<[number | null, string | null]>,
    once(keeper, 'error').then((): [null, string] => [null, 'no start']),
  ])
  const mounted = new Promise<string | undefined>(resolve => {
    createInterface({ input: keeper.stdout as NodeJS.ReadableStream }).on(
      'line',
      line => {
        const [word, ...rest] = line.split(' ')
        const value = rest.join(' ')
        if (word === 'mounted') resolve(value)
        if (word === 'end') reason = value
        if (word === 'server-exit')
          logger.warn({ status: Number(value) }, 'fuse server died')
      },
    )
    void ended.then(() => resolve(undefined))
  })
  createInterface({ input: keeper.stderr as NodeJS.ReadableStream }).on(
    'line',
    line => logger.warn({ line }, 'fuse server or keeper says'),
  )
  return {
    mounted,
    reason: ended.then(async ([code, signal]) => {
      // The line about the end may still be in the pipe.
      if (reason === undefined) await new Promise(setImmediate)
      return reason ?? `the keeper ended with ${signal ?? `status ${code}`}`
    }),
  }
}

async function bindReadOnly(
  source: string,
  target: string,
  device: string,
): Promise<void> {
  // Flags of a bind are set as a whole: without nosuid and nodev here they would be gone.
  const flags = 'ro,nosuid,nodev'
  const bound = await runMountCommand('mount', [
    '-n',
    '-o',
    `bind,${flags}`,
    '--',
    source,
    target,
  ])
  if (!bound.ok) throw new MountError('MOUNT_FAILED', target, bound.message)
  // busybox and old util-linux take the first step only.
  if ((await mountAt(target))?.options.includes('ro') !== true)
    await runMountCommand('mount', [
      '-n',
      '-o',
      `remount,bind,${flags}`,
      target,
    ])
  const mount = await mountAt(target)
  if (mount?.device !== device || !mount.options.includes('ro')) {
    if (mount?.device === device)
      await runMountCommand('umount', ['-l', target])
    throw new MountError(
      'MOUNT_UNVERIFIED',
      target,
      'the bind is not a read-only view of the volume',
    )
  }
}
