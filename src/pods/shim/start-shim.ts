import { createConnection } from 'node:net'
import type { Clock } from '../../util/clock.ts'
import type { Logger } from '../../util/logger.ts'
import type { SessionDirectory } from '../../session/runtime-directory.ts'
import {
  findShims,
  type FoundShim,
  killShim,
  shimDirectory,
  shimSocket,
  shimStreamsSocket,
} from '../../session/find-shims.ts'
import { firstAnswer, startProgram } from '../start-program.ts'
import type { RunningShim } from './messages.ts'
import { ShimClient } from './shim-client.ts'

interface StartOptions {
  readonly session: Pick<SessionDirectory, 'directory'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Starts the shim of a Pod, whose directory `id` of the session is there. */
export async function startShim(
  id: string,
  options: StartOptions,
): Promise<ShimClient> {
  const { directory } = options.session
  return await startProgram(
    'pod shim',
    ['pod-shim.cjs', directory, id],
    async identity => (await meet({ id, identity }, options)).client,
  )
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
  const running = await firstAnswer(client.greeted, socket, clock)
  return { client, running }
}
