/*
 * The pod shim: runs one Pod of `podfs serve` and outlives it.
 *
 *   pod-shim.cjs RUNTIME/ID run/N
 *
 * It says one line on standard output when it listens on RUNTIME/ID/pods/run/N/shim.sock; all
 * else is said there (messages.ts).
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { systemClock } from '../../util/clock.ts'
import { guardMemory } from '../../session/guard-memory.ts'
import { clearPod } from '../../session/clear-pods.ts'
import {
  shimDirectory,
  shimFile,
  shimSocket,
  shimStreamsSocket,
} from '../../session/find-shims.ts'
import { exitAfter, tellListening } from '../outlive.ts'
import { isAbandoned, mayBeAbandoned } from './is-abandoned.ts'
import { PodShim } from './pod-shim.ts'
import { onDefect } from '../../util/on-defect.ts'
import { inBackground } from '../../util/in-background.ts'

/** Once the server of its mount has ended while no podfs is there, it is looked at so often. */
const lookMs = 1000
/** A keeper that was killed has another one in its place sooner than this. */
const patienceMs = 5000

async function main(): Promise<void> {
  const [, , session = '', id = ''] = process.argv
  const directory = shimDirectory(session, id)
  guardMemory(process.env)
  // For the socket: 0600.
  process.umask(0o177)
  const shim = new PodShim(systemClock)
  onDefect(defect => shim.tellDefect(defect))
  const server = createServer(socket => shim.accept(socket))
  server.listen(shimSocket(directory))
  const streams = createServer(socket => shim.acceptStreams(socket))
  streams.listen(shimStreamsSocket(directory))
  await Promise.all([once(server, 'listening'), once(streams, 'listening')])
  // As podfs's own: volumes get what it leaves.
  process.umask(0o022)
  await tellListening(shimFile(directory), () => shim.end())

  const isOver = new AbortController()
  inBackground(endWhenAbandoned(shim, session, isOver.signal))
  await shim.done
  isOver.abort()
  // A podfs that listens does this itself.
  if (!shim.hasServe) await clearPod(directory)
}

/**
 * Without a podfs, a Pod lives as long as the mount that its volumes are in; and a shim that
 * nobody tells what to run has nothing to live for.
 */
async function endWhenAbandoned(
  shim: PodShim,
  session: string,
  isOver: AbortSignal,
): Promise<void> {
  for (let abandonedMs = 0; abandonedMs < patienceMs;) {
    if (abandonedMs === 0) {
      await shim.alone()
      if (shim.hasPod) await mayBeAbandoned(session, isOver)
    }
    await systemClock.sleep(lookMs, isOver).catch(() => undefined)
    if (isOver.aborted) return
    const isAlone =
      !shim.hasServe &&
      // What cannot be looked at, because no descriptor is left, is not known to be gone.
      (!shim.hasPod || (await isAbandoned(session).catch(() => false)))
    abandonedMs = isAlone ? abandonedMs + lookMs : 0
  }
  shim.end()
}

exitAfter(main())
