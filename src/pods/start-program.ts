import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { entryPoint } from '../fuse/mount/entry-points.ts'
import { identityOf, type ProcessIdentity } from '../linux/process-identity.ts'
import type { Clock } from '../util/clock.ts'

/*
 * What podfs does with a program of its own that outlives it; its side is outlive.ts.
 */

type Program = ChildProcessByStdio<null, Readable, Readable>

/** A loaded machine takes its time; one that does not answer for so long never will. */
const answerMs = 30_000

/**
 * Starts it, and resolves with what `meet` does once it listens. Rejects with what it has said
 * when it ends before, or when `meet` rejects; then it is killed. `what`: for messages.
 */
export async function startProgram<T>(
  what: string,
  argv: readonly [file: string, ...args: string[]],
  meet: (identity: ProcessIdentity) => Promise<T>,
): Promise<T> {
  const [file, ...args] = argv
  const child: Program = spawn(process.execPath, [entryPoint(file), ...args], {
    // A session of its own: it outlives podfs.
    detached: true,
    cwd: '/',
    // Nothing of NODE_OPTIONS; what it is to know comes through its socket.
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  try {
    await once(child, 'spawn')
    const identity = identityOf(child.pid ?? 0)
    if (identity === undefined) throw new Error('it ended at once')
    await listening(child)
    return await meet(identity)
  } catch (cause) {
    child.kill('SIGKILL')
    const { message } = cause as Error
    throw new Error(`no ${what}: ${said.trim() || message}`, { cause })
  } finally {
    // Whatever it says from here on is said through the socket.
    child.stdout.destroy()
    child.stderr.destroy()
    child.unref()
  }
}

/** Resolves with its first line: it listens. */
async function listening(child: Program): Promise<void> {
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

/** What it says first. Rejects when that is too late; then nothing is heard of it any more. */
export async function firstAnswer<T>(
  greeted: Promise<T>,
  socket: Socket,
  clock: Clock,
): Promise<T> {
  const timer = new AbortController()
  try {
    return await Promise.race([
      greeted,
      clock.sleep(answerMs, timer.signal).then(() => {
        throw new Error(`no answer within ${answerMs / 1000} s`)
      }),
    ])
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    timer.abort()
  }
}
