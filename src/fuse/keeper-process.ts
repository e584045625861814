import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../util/logger.ts'
import { closeJournals, createJournals } from './create-journals.ts'
import { entryPoints } from './entry-points.ts'
import { escapeMountPath } from './mountinfo.ts'
import { mountPath } from './run-mount-command.ts'

/** How long a keeper's last line may take to arrive after its end. */
const REASON_MS = 200

export interface KeeperOptions {
  readonly directory: string
  readonly allowOther: boolean
  readonly answerOpens: boolean
  readonly lifetime: 'run' | 'mount' | 'detach'
  readonly maxFailures?: number
  /** For tests: see fault-points.ts. */
  readonly faults?: string
}

/** keeper.sh, which see for its arguments and descriptors. */
export function startKeeper(options: KeeperOptions, rw: string): ChildProcess {
  const { server, keeper } = entryPoints()
  const journals = createJournals(options.directory)
  try {
    return spawn(
      '/bin/sh',
      [
        keeper,
        options.directory,
        escapeMountPath(rw),
        mountOptions(options.allowOther),
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
        env: {
          PATH: mountPath(),
          LC_ALL: 'C',
          ...(options.faults === undefined
            ? {}
            : { PODFS_TEST_FAULTS: options.faults }),
        },
        // 3 is opened by the keeper itself. 6: its end of file means that this process is gone.
        stdio: ['ignore', 'pipe', 'pipe', 'ignore', ...journals, 'pipe'],
      },
    )
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
  /** Why the keeper ended. */
  readonly reason: Promise<string>
  /** Its end, however it came. */
  readonly ended: Promise<unknown>
  /** Lets go of its pipes; a process that it left behind may hold the other ends. */
  close(): void
}

export function keeperEvents(
  keeper: ChildProcess,
  logger: Logger,
): KeeperEvents {
  let reason: string | undefined
  let said: string | undefined
  const ended = Promise.race([
    // Not `close`: a watcher of the keeper may hold the pipes a moment longer.
    once(keeper, 'exit') as Promise<[number | null, string | null]>,
    once(keeper, 'error').then((): [null, string] => [null, 'no start']),
  ])
  const lines = createInterface({
    input: keeper.stdout as NodeJS.ReadableStream,
  })
  const linesRead = once(lines, 'close')
  const mounted = new Promise<string | undefined>(resolve => {
    lines.on('line', line => {
      const [word, ...rest] = line.split(' ')
      const value = rest.join(' ')
      if (word === 'mounted') resolve(value)
      if (word === 'end') reason = value
      if (word === 'server-exit')
        logger.warn({ status: Number(value) }, 'fuse server died')
    })
    void ended.then(() => resolve(undefined))
  })
  createInterface({ input: keeper.stderr as NodeJS.ReadableStream }).on(
    'line',
    line => {
      said = line
      logger.warn({ line }, 'fuse server or keeper says')
    },
  )
  return {
    mounted,
    ended,
    close: () => {
      for (const stream of keeper.stdio) stream?.destroy()
    },
    reason: (async () => {
      const [code, signal] = await ended
      // The line about the end may still be in the pipe.
      await Promise.race([
        linesRead,
        delay(REASON_MS, undefined, { ref: false }),
      ])
      const how =
        reason ?? `the keeper ended with ${signal ?? `status ${code}`}`
      return said === undefined ? how : `${how} (${said})`
    })(),
  }
}
