import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import type { Readable } from 'node:stream'
import { entryPoint } from '../../fuse/mount/entry-points.ts'
import type { Clock } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import { identityOf } from '../../linux/process-identity.ts'
import type { SessionDirectory } from '../../session/runtime-directory.ts'
import {
  findShims,
  type FoundShim,
  killShim,
  shimDirectory,
  shimSocket,
  shimStreamsSocket,
} from '../../session/find-shims.ts'
import type { RunningShim } from './messages.ts'
import { ShimClient } from './shim-client.ts'

type ShimProcess = ChildProcessByStdio<null, Readable, Readable>

interface StartOptions {
  readonly session: Pick<SessionDirectory, 'directory'>
  readonly clock: Clock
  readonly logger: Logger
}

/** A loaded machine takes its time; one that does not answer for so long never will. */
const answerMs = 30_000

/** Starts the shim of a Pod, whose directory `id` of the session is there. */
export async function startShim(
  id: string,
  options: StartOptions,
): Promise<ShimClient> {
  const child: ShimProcess = spawn(
    process.execPath,
    [entryPoint('pod-shim.cjs'), options.session.directory, id],
    {
      // A session of its own: it outlives podfs.
      detached: true,
      cwd: '/',
      // Nothing of NODE_OPTIONS; what containers get comes through the socket.
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  try {
    await once(child, 'spawn')
    const identity = identityOf(child.pid ?? 0)
    if (identity === undefined) throw new Error('it ended at once')
    await listening(child)
    return (await meet({ id, identity }, options)).client
  } catch (cause) {
    child.kill('SIGKILL')
    const { message } = cause as Error
    throw new Error(`no pod shim: ${said.trim() || message}`, { cause })
  } finally {
    // Whatever it says from here on is said through the socket.
    child.stdout.destroy()
    child.stderr.destroy()
    child.unref()
  }
}

/** A shim that a podfs before this one has left. */
export interface LeftShim {
  /** `run/N` */
  readonly id: string
  readonly client: ShimClient
  readonly running: RunningShim
}

/**
 * The shims that a podfs before this one has left in the session's directory. One that runs
 * nothing, or does not answer as it should, ends with what it runs.
 */
export async function meetShims(
  options: StartOptions,
): Promise<readonly LeftShim[]> {
  const { session, clock, logger } = options
  const met = await Promise.all(
    (await findShims(session.directory)).map(async shim => {
      try {
        const { client, running } = await meet(shim, options)
        if (running === undefined) throw new Error('it runs nothing')
        return { id: shim.id, client, running }
      } catch (err) {
        const { pid } = shim.identity
        logger.warn({ err, pid }, 'a pod shim is of no use; it is ended')
        await killShim(shim, clock)
        return undefined
      }
    }),
  )
  return met.filter(shim => shim !== undefined)
}

async function meet(
  { id, identity }: FoundShim,
  { session, clock, logger }: StartOptions,
) {
  const directory = shimDirectory(session.directory, id)
  const socket = createConnection(shimSocket(directory))
  const client = new ShimClient(socket, {
    identity,
    streamsSocket: shimStreamsSocket(directory),
    clock,
    logger,
  })
  const timer = new AbortController()
  try {
    const running = await Promise.race([
      client.greeted,
      clock.sleep(answerMs, timer.signal).then(() => {
        throw new Error(`no answer within ${answerMs / 1000} s`)
      }),
    ])
    return { client, running }
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    timer.abort()
  }
}

/** Resolves with its first line: it listens. */
async function listening(child: ShimProcess): Promise<void> {
  const timer = new AbortController()
  const until = { signal: timer.signal }
  try {
    await Promise.race([
      once(child.stdout, 'data', until),
      once(child, 'exit', until).then(() => {
        throw new Error('it ended')
      }),
    ])
  } finally {
    timer.abort()
  }
}
