import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../util/clock.ts'
import { Failure } from '../util/failure.ts'
import { isRunning, type ProcessIdentity } from '../linux/process-identity.ts'
import { sendSignal } from '../linux/send-signal.ts'

/*
 * RUNTIME/ID/pods/run/N/shim.json says which process is the shim of the Pod's Nth start, and
 * shim.sock is where it listens; io.sock is for streams of its containers.
 */

export interface FoundShim {
  /** `run/N`. */
  readonly id: string
  readonly identity: ProcessIdentity
}

export function shimDirectory(session: string, id: string): string {
  return path.join(session, 'pods', id)
}

export function shimSocket(directory: string): string {
  return path.join(directory, 'shim.sock')
}

/** Where it hands out streams of its containers. */
export function shimStreamsSocket(directory: string): string {
  return path.join(directory, 'io.sock')
}

export function shimFile(directory: string): string {
  return path.join(directory, 'shim.json')
}

/** The shims below a session's run-time directory that live. */
export async function findShims(session: string): Promise<FoundShim[]> {
  const numbers = await readdir(shimDirectory(session, 'run')).catch(() => [])
  const found = await Promise.all(
    numbers.map(async number => {
      const id = `run/${number}`
      try {
        const file = shimFile(shimDirectory(session, id))
        const text = await readFile(file, 'utf8')
        const identity = JSON.parse(text) as ProcessIdentity
        return isRunning(identity) ? { id, identity } : undefined
      } catch {
        return undefined
      }
    }),
  )
  return found.filter(shim => shim !== undefined)
}

/** How long the Pods of a podfs that is gone may take to end. */
const endMs = 60_000
const stepMs = 20

/**
 * Ends the Pods that a podfs has left, each within its grace period. Throws a Failure when one
 * takes too long; it goes on to end.
 */
export async function endShims(session: string, clock: Clock): Promise<void> {
  const shims = await findShims(session)
  for (const { identity } of shims) signal(identity, 'SIGTERM')
  for (let waited = 0; waited < endMs; waited += stepMs) {
    if (!shims.some(({ identity }) => isRunning(identity))) return
    await clock.sleep(stepMs)
  }
  throw new Failure(
    'failed',
    `the Pods of a podfs that is gone were told to end and have not within ${endMs / 1000} s`,
  )
}

/** Ends one with its Pod, at once. */
export async function killShim(
  { identity }: Pick<FoundShim, 'identity'>,
  clock: Clock,
): Promise<void> {
  signal(identity, 'SIGKILL')
  while (isRunning(identity)) await clock.sleep(stepMs)
}

function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (isRunning(identity)) sendSignal(identity.pid, name)
}
