import { spawn } from 'node:child_process'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { noServiceManager, type ServiceManager } from './service-manager.ts'

/*
 * What sd_notify(3) says, said by systemd-notify(1): Node has no datagram sockets of the unix
 * kind, and a native module or an FFI would be a compiler, or a binary in a process of root's,
 * for four lines of text. Where systemd is, that program is.
 *
 * Run by root it names its parent, this process, as the sender: NotifyAccess=main is enough,
 * and no process of a Pod can say anything. An ordinary user's may not, and needs
 * NotifyAccess=all. It returns when systemd has read the message (a barrier), so that the
 * sender can still be found when it is; that makes the messages one after the other, too.
 */

/** The alive check is tried again this soon, at the latest. */
const retryMs = 1000

export interface Systemd extends ServiceManager {
  /**
   * Feeds the watchdog, where there is one, at half of its time, but only after `isAlive`
   * resolved: one that hangs or rejects is what the watchdog is there for.
   */
  feedWatchdog(isAlive: () => Promise<unknown>): void
}

export interface SystemdOptions {
  /** NOTIFY_SOCKET and the watchdog's variables are taken out: they are not for children. */
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly logger: Logger
}

/** Starts nothing and costs nothing where no systemd listens. */
export function systemdOf(options: SystemdOptions): Systemd {
  const { env, clock, logger } = options
  const socket = env['NOTIFY_SOCKET']
  const watchdogMs = watchdogTime(env)
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'])
    delete env[name]
  if (socket === undefined || socket === '') return noSystemd
  const messages = new Messages(socket, env['PATH'], logger)
  const over = new AbortController()
  return {
    ready: () => messages.add('READY=1'),
    // The time, since systemd 253, to tell this reload from one before: sd_notify(3).
    reloading: () =>
      messages.add(
        'RELOADING=1',
        `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`,
      ),
    status: text => messages.add(statusLine(text)),
    stopping: () => {
      over.abort()
      messages.add('STOPPING=1', 'STATUS=stopping')
    },
    feedWatchdog: isAlive => {
      if (watchdogMs === undefined) return
      const everyMs = watchdogMs / 2
      const feed = async (): Promise<void> => {
        for (;;) {
          await clock.sleep(everyMs, over.signal)
          while (!(await succeeds(isAlive, logger)))
            await clock.sleep(Math.min(retryMs, everyMs / 4), over.signal)
          messages.add('WATCHDOG=1')
        }
      }
      feed().catch((error: unknown) => {
        if (!over.signal.aborted) throw error
      })
    },
  }
}

const noSystemd: Systemd = {
  ...noServiceManager,
  feedWatchdog: () => {},
}

/** In milliseconds; undefined: none, or another process's. */
function watchdogTime(env: NodeJS.ProcessEnv): number | undefined {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env
  if (pid !== undefined && pid !== String(process.pid)) return undefined
  const ms = Number(usec) / 1000
  return ms > 0 ? ms : undefined
}

/** A newline would begin another assignment. */
function statusLine(text: string): string {
  return `STATUS=${text.replaceAll(/\s+/g, ' ')}`
}

async function succeeds(
  isAlive: () => Promise<unknown>,
  logger: Logger,
): Promise<boolean> {
  try {
    await isAlive()
    return true
  } catch (error) {
    logger.warn({ err: error }, 'not alive: the watchdog is not fed')
    return false
  }
}

/** Messages for systemd, one after the other. */
class Messages {
  readonly #socket: string
  readonly #path: string | undefined
  readonly #logger: Logger
  readonly #waiting: (readonly string[])[] = []
  #last: Promise<void> = Promise.resolve()
  #hasFailed = false

  constructor(socket: string, path: string | undefined, logger: Logger) {
    this.#socket = socket
    this.#path = path
    this.#logger = logger
  }

  add(...assignments: readonly string[]): void {
    const replaceable = (message: readonly string[] = []): string | undefined =>
      /^(STATUS|WATCHDOG)=/.exec(message[0] ?? '')?.[1]
    // Of several that wait the last one counts.
    const kind = replaceable(assignments)
    if (kind !== undefined && kind === replaceable(this.#waiting.at(-1)))
      this.#waiting.pop()
    this.#waiting.push(assignments)
    this.#last = this.#last
      .then(() => this.#sendNext())
      // Else no later message would be sent.
      .catch((error: unknown) => this.#noteFailure(String(error)))
  }

  async #sendNext(): Promise<void> {
    const assignments = this.#waiting.shift()
    if (assignments === undefined) return
    const child = spawn('systemd-notify', assignments, {
      env: {
        NOTIFY_SOCKET: this.#socket,
        ...(this.#path === undefined ? {} : { PATH: this.#path }),
      },
      stdio: 'ignore',
      // A Ctrl-C at the terminal is for podfs to handle.
      detached: true,
    })
    const failure = await new Promise<string | undefined>(resolve => {
      child.on('error', error => resolve(error.message))
      child.on('exit', (code, signal) =>
        resolve(code === 0 ? undefined : `it ended with ${code ?? signal}`),
      )
    })
    if (failure !== undefined) this.#noteFailure(failure)
  }

  #noteFailure(failure: string): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#logger.error(
      { error: failure },
      'systemd-notify cannot tell systemd how podfs does',
    )
  }
}
