import { spawn } from 'node:child_process'
import { mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import { asFailure } from './failures.ts'

/*
 * `mount --detach` starts this program again with the same arguments in a session of its own.
 * The two talk over Node's IPC channel until the new one is ready; its exit code says how a
 * start that failed would have ended in the foreground.
 */

const variable = 'PODFS_DETACHED'

type Message = { readonly said: string } | { readonly ready: true }

export type DetachedOutcome =
  | { readonly ok: true; readonly pid: number }
  | { readonly ok: false; readonly exitCode: number }

/**
 * Resolves when the new process is ready, or has ended without. `say` gets what it said. When
 * `abort` fires before, it is told to end.
 */
export async function startDetached(
  argv: readonly string[],
  say: (text: string) => void,
  abort: AbortSignal,
): Promise<DetachedOutcome> {
  const script = process.argv[1]
  if (script === undefined) throw new Error('no script to start again')
  const child = spawn(process.execPath, [script, ...argv], {
    detached: true,
    // `-f -` is read by the one that stays.
    stdio: [
      argv.includes('-') ? 'inherit' : 'ignore',
      'ignore',
      'ignore',
      'ipc',
    ],
    env: { ...process.env, [variable]: '1' },
  })
  abort.addEventListener('abort', () => child.kill('SIGTERM'))
  return await new Promise((resolve, reject) => {
    child.on('message', message => {
      const received = message as Message
      if ('said' in received) return say(received.said)
      child.removeAllListeners('exit')
      if (child.connected) child.disconnect()
      child.unref()
      resolve({ ok: true, pid: child.pid ?? 0 })
    })
    child.on('error', error => reject(asFailure(error)))
    child.on('exit', code => resolve({ ok: false, exitCode: code ?? 1 }))
  })
}

/** Where there can be none, the start fails for the same reason, and says why. */
function openLog(runtime: string, file: string): number {
  try {
    mkdirSync(runtime, { recursive: true, mode: 0o700 })
    return openSync(file, 'a', 0o600)
  } catch {
    return openSync('/dev/null', 'a')
  }
}

export interface DetachedLog {
  readonly fd: number
  readonly say: (text: string) => void
  readonly ready: () => void
}

export function detachedLogPath(runtime: string, pid: number): string {
  return path.join(runtime, `mount-${pid}.log`)
}

/** Undefined unless this process was started by `startDetached`. */
export function openDetachedLog(runtime: string): DetachedLog | undefined {
  const send = process.send?.bind(process)
  if (process.env[variable] === undefined || send === undefined)
    return undefined
  delete process.env[variable]
  const file = detachedLogPath(runtime, process.pid)
  const fd = openLog(runtime, file)
  let isReady = false
  // The log stays only where nobody has been told why: the start's failures went to the
  // starter's terminal, and a clean stop has nothing to say.
  process.once('exit', exitCode => {
    if (exitCode === 0 || !isReady) rmSync(file, { force: true })
  })
  return {
    fd,
    say: text => {
      try {
        writeSync(fd, text)
      } catch {
        // The run-time directory is full, which may be just what there is to say; the volumes
        // are served all the same.
      }
      if (process.connected) send({ said: text } satisfies Message)
    },
    ready: () => {
      isReady = true
      send({ ready: true } satisfies Message, () => process.disconnect())
    },
  }
}
