/**
 * A mount that podfs does not serve itself, held by mount-keeper.sh: the tmpfs of the backend
 * dir, and the one of fuse-native with its server.
 *
 * As with mount.ts: the daemon works through a descriptor, never by path, and everybody else
 * sees read-only binds.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../util/logger.ts'
import { bindReadOnly } from '../../linux/bind-read-only.ts'
import { entryPoint } from './entry-points.ts'
import type { MountError } from '../../linux/mount-error.ts'
import { escapeMountPath, readMountinfo } from '../../linux/mountinfo.ts'
import { isWithin } from '../../linux/is-within.ts'
import { mountPath } from '../../linux/run-mount-command.ts'
import { unmountPath } from '../../linux/unmount-path.ts'
import { inBackground } from '../../util/in-background.ts'

export interface KeptMountOptions {
  /** RUNTIME/ID: exists, 0700. */
  readonly directory: string
  readonly allowOther: boolean
  /** When the daemon dies: end at once, after 30 s, or stay. */
  readonly lifetime: 'run' | 'mount' | 'detach'
  readonly logger: Logger
}

export interface KeptMount {
  /** `/proc/self/fd/N` of the private read-write mount. */
  readonly directory: string
  /** `MAJOR:MINOR`, as in mountinfo. */
  readonly device: string
  readonly keeperPid: number
  bind(subdirectory: string, target: string): Promise<void>
  unbind(target: string, options?: { readonly lazy?: boolean }): Promise<void>
  readonly lost: Promise<string>
  stop(): Promise<void>
}

/** libfuse can hang where a kernel's own file system would say no. */
const START_MS = 10_000
const STOP_MS = 5_000

/** Rejects with what `explain` makes of the failure; `missing`: what the native server lacks. */
export async function startKeptMount(
  options: KeptMountOptions,
  kind: readonly string[],
  explain: (missing: string | undefined, said: string) => MountError,
): Promise<KeptMount> {
  const { directory, logger } = options
  const rw = join(directory, 'rw')
  mkdirSync(rw, { mode: 0o700 })
  const keeper = spawn(
    '/bin/sh',
    [
      entryPoint('mount-keeper.sh'),
      directory,
      escapeMountPath(rw),
      options.lifetime,
      ...kind,
    ],
    {
      // A session of its own: a Ctrl-C at the terminal must not end the mount.
      detached: true,
      cwd: '/',
      env: { PATH: mountPath(), LC_ALL: 'C' },
      // 3: its end of file means that this process is gone.
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    },
  )
  // Without a descriptor left it has no streams that could be read.
  await once(keeper, 'spawn')
  const said = readLines(keeper, logger)
  const timeout = new AbortController()
  const device = await Promise.race([
    said.mounted,
    delay(START_MS, undefined, { signal: timeout.signal }).catch(() => {}),
  ])
  timeout.abort()
  let root: FileHandle | undefined
  if (device !== undefined) root = await open(rw, 'r').catch(() => undefined)
  if (device === undefined || root === undefined) {
    await endKeeper(keeper, said.ended)
    const { missing, errors } = said.facts()
    for (const stream of keeper.stdio) stream?.destroy()
    throw explain(missing, errors.join('; '))
  }

  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    await endKeeper(keeper, said.ended)
    await root.close().catch(() => undefined)
    // Nothing is left to do unless the keeper was killed.
    for (const mount of readMountinfo().toReversed())
      if (mount.device === device && isWithin(mount.mountpoint, directory))
        await unmountPath(mount.mountpoint, { lazy: true }).catch(() => {})
    for (const stream of keeper.stdio) stream?.destroy()
  }
  return {
    directory: `/proc/self/fd/${root.fd}`,
    device,
    keeperPid: keeper.pid as number,
    bind: (subdirectory, target) =>
      bindReadOnly(join(rw, subdirectory), target, device),
    unbind: unmountPath,
    lost: (async () => {
      const reason = await said.ended
      return stopping === undefined ? reason : new Promise<never>(() => {})
    })(),
    stop: () => (stopping ??= stop()),
  }
}

interface KeeperLines {
  readonly mounted: Promise<string | undefined>
  /** Why it ended. */
  readonly ended: Promise<string>
  facts(): { missing: string | undefined; errors: readonly string[] }
}

function readLines(keeper: ChildProcess, logger: Logger): KeeperLines {
  let missing: string | undefined
  let reason: string | undefined
  const errors: string[] = []
  // `once` rejects when there is an 'error' first.
  const closed = (
    once(keeper, 'close') as Promise<[number | null, string | null]>
  ).catch((): [null, string] => [null, 'no start'])
  const mounted = new Promise<string | undefined>(resolve => {
    createInterface({ input: keeper.stdout as NodeJS.ReadableStream }).on(
      'line',
      line => {
        const [word, ...rest] = line.split(' ')
        if (word === 'mounted') resolve(rest.join(' '))
        if (word === 'missing') missing = rest.join(' ')
        if (word === 'end') reason = rest.join(' ')
      },
    )
    inBackground(closed.then(() => resolve(undefined)))
  })
  createInterface({ input: keeper.stderr as NodeJS.ReadableStream }).on(
    'line',
    line => {
      errors.push(line)
      logger.debug({ line }, 'the keeper or its server says')
    },
  )
  return {
    mounted,
    ended: closed.then(
      ([code, signal]) =>
        reason ?? `the keeper ended with ${signal ?? `status ${code}`}`,
    ),
    facts: () => ({ missing, errors }),
  }
}

async function endKeeper(
  keeper: ChildProcess,
  ended: Promise<unknown>,
): Promise<void> {
  const running = (): boolean =>
    keeper.exitCode === null && keeper.signalCode === null
  if (running()) keeper.kill('SIGTERM')
  await Promise.race([ended, delay(STOP_MS, undefined, { ref: false })])
  if (running()) keeper.kill('SIGKILL')
}
