import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../util/logger.ts'
import { closeJournals, createJournals } from './create-journals.ts'
import { entryPoints } from './entry-points.ts'
import { escapeMountPath, escapeMountSource } from '../../linux/mountinfo.ts'
import { mountPath } from '../../linux/run-mount-command.ts'
import { inBackground } from '../../util/in-background.ts'
import { deferred } from '../../util/deferred.ts'

/** How long a keeper's last line may take to arrive after its end. */
const REASON_MS = 200

/** Where a mount is seen, and what of the daemon's directory is; '' is all of it. */
export interface PublicPlace {
  readonly subdirectory: string
  readonly target: string
}

export interface KeeperOptions {
  readonly directory: string
  /** An ordinary user's mount. */
  readonly publicAt?: PublicPlace
  /** It takes the place of a lost one. */
  readonly again?: boolean
  readonly allowOther: boolean
  readonly answerOpens: boolean
  readonly lifetime: 'run' | 'mount' | 'detach'
  /** For tests: see fault-points.ts. */
  readonly faults?: string
}

/**
 * keeper.sh, which see for its arguments and descriptors. Rejects with a system error when it
 * cannot be started. `before`: a program with its words that becomes the keeper once it has
 * mounted.
 */
export async function startKeeper(
  options: KeeperOptions,
  before: readonly string[] = [],
): Promise<ChildProcess> {
  const { directory, publicAt } = options
  const { server, keeper } = entryPoints()
  const journals = createJournals(
    directory,
    publicAt && {
      subdirectory: publicAt.subdirectory,
      again: options.again === true,
    },
  )
  const [program, ...words] = [
    ...before,
    '/bin/sh',
    keeper,
    directory,
    (publicAt === undefined ? escapeMountPath : escapeMountSource)(
      join(directory, 'rw'),
    ),
    publicAt === undefined
      ? mountOptions(options.allowOther)
      : `fusermount,user_id=${process.getuid?.()}`,
    options.lifetime,
    process.execPath,
    server,
    // Nothing but the server keeps others from writing there.
    options.answerOpens || publicAt !== undefined ? 'answer-opens' : 'no-opens',
  ]
  try {
    const child = spawn(program, words, {
      // A session of its own: a Ctrl-C at the terminal must not end the mount.
      detached: true,
      cwd: '/',
      // Nothing of NODE_OPTIONS: an inspector or a loader has no place in the server.
      env: {
        PATH: mountPath(),
        LC_ALL: 'C',
        ...(options.faults === undefined
          ? {}
          : { PODFS_TEST_FAULTS: options.faults }),
      },
      // 3 is opened by the keeper itself. 6: its end of file means that this process is gone.
      stdio: ['ignore', 'pipe', 'pipe', 'ignore', ...journals, 'pipe'],
    })
    await once(child, 'spawn')
    return child
  } finally {
    closeJournals(journals)
  }
}

function mountOptions(allowOther: boolean): string {
  const owner = `user_id=${process.getuid?.()},group_id=${process.getgid?.()}`
  return allowOther ? `${owner},allow_other` : owner
}

export interface KeeperEvents {
  /** The mount's device; undefined when the keeper ended before. */
  readonly mounted: Promise<string | undefined>
  /** Why it all ended. */
  readonly reason: Promise<string>
  /** The last line of what went wrong. */
  readonly said: () => string | undefined
  /** The end of the keeper and of whoever took its place. */
  readonly ended: Promise<unknown>
  /** The keeper that there is now; after a kill -9 another one takes the place. */
  readonly pid: number
  /** How many servers have died; each had a successor. */
  readonly serverDeaths: number
  /** Lets go of its pipes; a process that it left behind may hold the other ends. */
  close(): void
}

export function keeperEvents(
  keeper: ChildProcess,
  logger: Logger,
): KeeperEvents {
  let pid = keeper.pid as number
  let reason: string | undefined
  let said: string | undefined
  let isMounted = false
  let serverDeaths = 0
  const saidEnd = deferred<void>()
  const exited = once(keeper, 'exit') as Promise<[number | null, string | null]>
  const lines = createInterface({
    input: keeper.stdout as NodeJS.ReadableStream,
  })
  // The keeper and its servers have the other end, and nobody else.
  const allGone = once(lines, 'close')
  const mounted = new Promise<string | undefined>(resolve => {
    lines.on('line', line => {
      const [word, ...rest] = line.split(' ')
      const value = rest.join(' ')
      if (word === 'mounted') {
        isMounted = true
        resolve(value)
      }
      if (word === 'keeper') {
        pid = Number(value)
        logger.warn({ pid }, 'fuse keeper died; another one took its place')
      }
      if (word === 'end') {
        reason = value
        saidEnd.resolve()
      }
      if (word === 'server-exit') {
        serverDeaths += 1
        logger.warn({ status: Number(value) }, 'fuse server died')
      }
    })
    inBackground(exited.then(() => resolve(undefined)))
  })
  createInterface({ input: keeper.stderr as NodeJS.ReadableStream }).on(
    'line',
    line => {
      // mount(8)'s second line says nothing of its own.
      if (!line.includes('dmesg(1)')) said = line
      // What goes wrong before there is a mount is in the error that the caller gets.
      logger[isMounted ? 'warn' : 'debug'](
        { line },
        'fuse server or keeper says',
      )
    },
  )
  const ended = Promise.race([
    allGone.then(() => exited),
    // Not the pipe's end alone: a server that hangs may hold it.
    saidEnd.promise.then(() =>
      Promise.race([allGone, delay(REASON_MS, undefined, { ref: false })]),
    ),
  ])
  return {
    mounted,
    said: () => said,
    ended,
    get pid() {
      return pid
    },
    get serverDeaths() {
      return serverDeaths
    },
    close: () => {
      for (const stream of keeper.stdio) stream?.destroy()
    },
    reason: (async () => {
      await ended
      const [code, signal] = await Promise.race([
        exited,
        delay<[null, string]>(REASON_MS, [null, 'no word'], { ref: false }),
      ])
      const how =
        reason ?? `the keeper ended with ${signal ?? `status ${code}`}`
      return said === undefined ? how : `${how} (${said})`
    })(),
  }
}
