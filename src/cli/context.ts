import type { Clock } from '../util/clock.ts'
import type { Output } from './output.ts'

/** Everything a command may touch of the world around it. */
export interface Context {
  readonly stdout: Output
  readonly stderr: Output
  /** Where logs go. */
  readonly logFd: number
  readonly stderrIsTerminal: boolean
  /** False on a pipe and with NO_COLOR (https://no-color.org). */
  readonly colour: boolean
  readonly env: NodeJS.ProcessEnv
  readonly uid: number
  readonly cwd: string
  /** The arguments of the program, for starting it again. */
  readonly argv: readonly string[]
  readonly clock: Clock
  /** Calls back at each SIGINT, SIGTERM and SIGHUP; returns the way to stop listening. */
  readonly onSignal: (
    listener: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void,
  ) => () => void
  /** In the process that `mount --detach` leaves behind: tells its starter that it is ready. */
  readonly detachedReady?: () => void
}
