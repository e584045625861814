/**
 * Tells of changes to the mount table of this process's namespace. Nothing in Node can: the
 * kernel says it to poll(2) on /proc/self/mountinfo alone, as POLLPRI, and inotify has an event
 * for the end of a file system, but none for that of a bind. findmnt(8) of util-linux waits there
 * for us, one for the whole process, and costs nothing while nothing is mounted or unmounted.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readlink, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { mountPath } from './run-mount-command.ts'
import { inBackground } from '../util/in-background.ts'

/** While findmnt starts, where there is none, and when it was killed. */
const LOOK_MS = 1000
/** Many changes within so long are told once. */
const GATHER_MS = 50

/** `--pdeathsig`: it does not outlive this process, however that ends. */
const COMMAND =
  'setpriv --pdeathsig KILL -- findmnt --poll --noheadings --raw --output ACTION'

const listeners = new Set<() => void>()
let watching: AbortController | undefined

/**
 * Calls `look` soon after each change, until the returned function is called; once a second where
 * there is no findmnt. Whoever must not miss one looks after this has returned. It is no reason
 * for this process to live.
 */
export function watchMountTable(look: () => void): () => void {
  // A wrapper, so that the same function may listen twice.
  const own = (): void => look()
  listeners.add(own)
  if (watching === undefined) {
    watching = new AbortController()
    inBackground(watchWith(watching.signal))
  }
  return () => {
    listeners.delete(own)
    if (listeners.size > 0) return
    watching?.abort()
    watching = undefined
  }
}

function tell(): void {
  for (const look of listeners) look()
}

async function watchWith(signal: AbortSignal): Promise<void> {
  let findmnt: Findmnt | undefined
  while (!signal.aborted) {
    await delay(LOOK_MS, undefined, { ref: false, signal }).catch(() => {})
    if (signal.aborted) return
    // In this order: what happened before it waited was told to nobody.
    const waits = await isPolling(findmnt?.pid)
    tell()
    if (waits) await findmnt?.gone
    // Not with the first look: a mount that starts has no processor to spare.
    findmnt ??= startFindmnt(signal)
  }
}

interface Findmnt {
  readonly pid: number | undefined
  readonly gone: Promise<void>
}

function startFindmnt(signal: AbortSignal): Findmnt {
  const [program, ...words] = COMMAND.split(' ') as [string, ...string[]]
  const child = spawn(program, words, {
    // A session of its own: a Ctrl-C at the terminal is for podfs to handle.
    detached: true,
    cwd: '/',
    env: { PATH: mountPath(), LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
    killSignal: 'SIGKILL',
  })
  const gone = new Promise<void>(resolve => {
    // Where it cannot be started, and when `signal` ends it.
    child.on('error', () => resolve())
    child.on('exit', () => resolve())
  })
  child.unref()
  tellOfLines(child)
  return { pid: child.pid, gone }
}

function tellOfLines({ stdout }: ChildProcess): void {
  let gathering: NodeJS.Timeout | undefined
  // Without a descriptor left it has none.
  stdout?.on('data', () => {
    gathering ??= setTimeout(() => {
      gathering = undefined
      tell()
    }, GATHER_MS).unref()
  })
  // A pipe of a child is a socket, which alone would keep the process alive.
  ;(stdout as { unref?: () => void } | null)?.unref?.()
}

/** Whether it has the table open and sleeps: while it reads, it runs, or waits for a lock (D). */
async function isPolling(pid: number | undefined): Promise<boolean> {
  try {
    const fds = await readdir(`/proc/${pid}/fd`)
    const files = await Promise.all(
      fds.map(fd => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    )
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    return (
      files.some(file => file.endsWith('/mountinfo')) &&
      / \(findmnt\) S/.test(stat)
    )
  } catch {
    return false
  }
}
