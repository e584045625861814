import type { ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Clock } from '../../util/clock.ts'
import {
  ContainerStartError,
  type ExecResult,
  type ExitStatus,
  type RunningContainer,
} from './container-runtime.ts'
import { attach } from './attach.ts'
import {
  openOnPipes,
  openOnTerminal,
  type ContainerIo,
} from './container-io.ts'
import type { ContainerSetup } from './container-setup.ts'
import { drained, within } from './drained.ts'
import { execInContainer } from './exec-in-container.ts'
import { openExec } from './exec-streams.ts'
import { toExitStatus } from './exit-status.ts'
import { whyNotExecutable } from './find-program.ts'
import type { FuseOverlay } from './fuse-overlay.ts'
import { findFirstProcess } from './first-process.ts'
import {
  gateDescriptor,
  preludesOf,
  startCommand,
  type Launch,
} from './launch-command.ts'
import { isListenedOn } from '../../linux/listening-sockets.ts'
import type { MachineTools } from '../../linux/machine-tools.ts'
import {
  killRootedProcesses,
  MountNamespace,
} from '../../linux/rooted-processes.ts'
import type { Cgroup } from '../../linux/cgroups.ts'
import type { Pause } from './pause.ts'
import { upperLayerUsage } from '../../linux/disk-usage.ts'
import { sendSignal } from '../../linux/send-signal.ts'
import { spawnCommand } from './spawn-command.ts'
import type {
  ContainerStreams,
  StreamsRequest,
} from '../../streams/container-streams.ts'

export interface StartOptions {
  readonly tools: MachineTools
  readonly clock: Clock
  readonly name: string
  readonly setup: ContainerSetup
  readonly pause: Pause
  readonly launch: Launch
  readonly stdin: 'open' | 'once' | undefined
  readonly tty: boolean
  /** A path on the host, another one each time, at which nothing is. */
  readonly newDirectory: () => string
  /** The container's; `launch` enters it. */
  readonly cgroup?: Cgroup
  readonly fuseOverlay?: FuseOverlay
  /** An fstab on the host: see kernel-masks.ts. */
  readonly masksFile: string
}

/** How long the last output may take to be read before the container counts as over. */
const drainMs = 1000

/** A running container, and what only its runtime may do with it. */
export interface StartedProcess extends RunningContainer {
  kill(): Promise<void>
  /** It has ended, though not all of it may be read. */
  isGone(): boolean
}

/** A container whose program is not executed yet; all that stands before it is under way. */
export interface BegunProcess {
  /** Resolves when the program runs. */
  start(): Promise<StartedProcess>
  /** It is not to run, or has not come to. */
  abandon(): Promise<void>
}

/**
 * Begins with the program in the namespaces that the setup holds. It waits for `start` where the
 * launch is masked (launch-command.ts); else it starts at once.
 */
export async function beginProcess(
  options: StartOptions,
): Promise<BegunProcess> {
  const { tools, name, setup, pause, launch } = options
  const root = `/proc/${setup.pid}/root`
  const check = (argv: readonly string[]): void => {
    const why = whyNotExecutable(root, { ...launch, argv })
    if (why !== undefined) throw new ContainerStartError(name, why)
  }
  // A volume over /usr would hide what enters the PID namespace.
  check([tools.unshare])
  if (!launch.masked) check(launch.argv)
  const rest = restOf(options)
  const streams = {
    tools,
    setup,
    launch,
    hasStdin: options.stdin !== undefined,
  }
  const io = await (options.tty ? openOnTerminal : openOnPipes)(streams)
  const command = startCommand(tools, setup.pid, pause, launch, io.setsid)
  let monitor: ChildProcess
  try {
    monitor = spawnCommand(command, launch, {
      stdio: io.stdio,
      // As the command expects them.
      files: [
        ...(launch.masked ? [options.masksFile, 'pipe'] : []),
        launch.filter?.file,
      ],
    })
  } catch (error) {
    for (const stream of [io.stdout, io.stderr, io.stdin]) stream?.destroy()
    const { message } = error as Error
    throw new ContainerStartError(name, message, { cause: error })
  } finally {
    io.closeChildEnds()
  }
  const gate = launch.masked
    ? (monitor.stdio[gateDescriptor] as Writable)
    : undefined
  // Whoever has ended before reads nothing.
  gate?.on('error', () => undefined)
  const running = new RunningProcess(monitor, io, {
    ...options,
    ...(rest && { rest }),
  })
  return {
    start: async () => {
      if (launch.masked) check(launch.argv)
      gate?.end('\n', () => gate.destroy())
      await running.started(preludesOf(command, launch.argv))
      return running
    },
    abandon: async () => {
      gate?.destroy()
      await running.kill()
      for (const stream of [io.stdout, io.stderr]) stream.destroy()
    },
  }
}

/** Ends the processes of a container that end neither with a PID namespace of its own. */
type EndRest = (first: MountNamespace | undefined) => Promise<void>

/**
 * All that are in its cgroup. Without one, where it has no PID namespace, either, all that run in
 * its root: a copy of the mount namespace has the same one; one that has made itself another root
 * as well ends with the Pod.
 */
function restOf(options: StartOptions): EndRest | undefined {
  const { setup, pause, clock, cgroup, launch } = options
  const isOwn =
    pause.config.pid === 'container' && launch.pidNamespaceOf === undefined
  if (cgroup === undefined && isOwn) return undefined
  return async first => {
    // Then the kernel has killed them, this one first; that it was so is to be known before.
    if (pause.config.pid === 'pod' && pause.isDying()) await pause.ended
    if (cgroup !== undefined) return await cgroup.kill(clock)
    await killRootedProcesses(
      ({ source }) => source === setup.rootName,
      clock,
      first,
    )
  }
}

/**
 * What the programs of the chain say when they, and not the container's, have failed. Not what
 * unshare says of a program that was killed (monitor-stderr.ts).
 */
const chainFailure =
  /^(?!unshare: sigprocmask )(?:\S*\/)?(?:setpriv|nsenter|unshare|env|podfs-enter|podfs-start): .*/m

/** A container: the monitor (unshare), and below it the program, mostly as PID 1 of a namespace. */
class RunningProcess implements StartedProcess {
  readonly stdout: Readable
  readonly stderr: Readable
  readonly #io: ContainerIo
  readonly exited: Promise<ExitStatus>
  readonly #monitor: ChildProcess
  readonly #options: StartOptions
  #pid: number | undefined
  /** Of the first process; where there may be a rest. */
  #namespace: MountNamespace | undefined
  readonly #rest: EndRest | undefined
  readonly #reaped: Promise<ExitStatus>
  /** The monitor has been reaped: its pid and that of PID 1 may be others' now. */
  #gone = false
  #spawnError: Error | undefined

  constructor(
    monitor: ChildProcess,
    io: ContainerIo,
    { rest, ...options }: StartOptions & { readonly rest?: EndRest },
  ) {
    this.#monitor = monitor
    this.#options = options
    this.#rest = rest
    this.stdout = io.stdout
    this.stderr = io.stderr
    this.#io = io
    const reaped = new Promise<ExitStatus>(resolve => {
      monitor.once('error', error => {
        this.#spawnError = error
        this.#gone = true
        resolve(toExitStatus(null, null))
      })
      // The kernel lets the monitor reap PID 1 only when its whole namespace is gone.
      monitor.once('exit', (code, signal) => {
        this.#gone = true
        resolve(toExitStatus(code, signal))
      })
    })
    this.#reaped = reaped.then(async status => {
      await rest?.(this.#namespace)
      this.#namespace?.release()
      return options.cgroup?.hasOomKills() === true
        ? { ...status, isOutOfMemory: true as const }
        : status
    })
    this.exited = this.#reaped.then(async status => {
      await drained([this.stdout, this.stderr], options.clock, drainMs)
      io.stdin?.destroy()
      return io.monitored.killed
        ? { ...status, ...toExitStatus(null, 'SIGKILL') }
        : status
    })
  }

  /** The monitor's, when the program had ended before one could look. */
  get pid(): number {
    return this.#pid ?? this.#monitor.pid ?? 0
  }

  /** Resolves when PID 1 is the program, or has been. */
  async started(preludes: ReadonlySet<string>): Promise<void> {
    if (this.#monitor.pid !== undefined)
      this.#pid = await findFirstProcess({
        clock: this.#options.clock,
        monitor: this.#monitor.pid,
        preludes,
        hasEnded: () => this.#gone,
      })
    if (this.#pid !== undefined) {
      if (this.#rest !== undefined && !this.#gone)
        this.#namespace = MountNamespace.hold(this.#pid)
      return
    }
    const { exitCode } = await this.#reaped
    const reason =
      this.#spawnError?.message ??
      (exitCode === 0 ? undefined : await this.#chainFailure())
    if (reason === undefined) return
    this.stdout.destroy()
    this.stderr.destroy()
    throw new ContainerStartError(this.#options.name, reason, {
      cause: this.#spawnError,
    })
  }

  signal(signal: NodeJS.Signals | number): void {
    if (!this.#gone && this.#pid !== undefined) sendSignal(this.#pid, signal)
  }

  isListenedOn(port: number): boolean {
    return isListenedOn(this.pid, port)
  }

  exec(argv: readonly string[], abort: AbortSignal): Promise<ExecResult> {
    const { tools, clock, launch, pause } = this.#options
    if (this.#gone || this.#pid === undefined)
      return Promise.resolve({
        exitCode: 126,
        output: 'container is not running',
        notStarted: true,
      })
    const pid = this.#pid
    return execInContainer({
      tools,
      clock,
      pid,
      config: pause.config,
      launch: { ...launch, argv },
      abort,
    })
  }

  async open(request: StreamsRequest): Promise<ContainerStreams> {
    const { tools, clock, launch, newDirectory, stdin, pause } = this.#options
    const { command } = request
    if (this.#gone || this.#pid === undefined)
      throw new Error('container is not running')
    if (command === undefined)
      return attach(this.#io, request, {
        exited: this.exited,
        inputEnds: stdin === 'once',
      })
    return await openExec({
      tools,
      clock,
      pid: this.#pid,
      config: pause.config,
      launch: { ...launch, argv: command },
      request,
      directory: newDirectory(),
    })
  }

  /** Its layers are one file system, but for what fuse-overlayfs writes. */
  async writtenBytes(): Promise<bigint> {
    if (this.#gone || this.#pid === undefined) return 0n
    const root = `/proc/${this.#pid}/root`
    const layered = ['etc', 'usr', 'var'].map(name => `${root}/${name}`)
    const { fuseOverlay } = this.#options
    return (
      ((await upperLayerUsage(layered)) ?? 0n) +
      ((await fuseOverlay?.writtenBytes()) ?? 0n)
    )
  }

  isGone(): boolean {
    return this.#gone
  }

  /** Ends all of its processes. Resolves when they are gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    // Before PID 1 is known: --kill-child kills it when the monitor dies.
    if (this.#pid === undefined && !this.#gone) this.#monitor.kill('SIGKILL')
    await this.#reaped
  }

  /** Asked when the monitor has ended: all that it has said is on its way. */
  async #chainFailure(): Promise<string | undefined> {
    // A program that says much, and that nobody reads yet, did start.
    await within(
      finished(this.#io.monitored, { readable: false }),
      this.#options.clock,
      drainMs,
    )
    return chainFailure.exec(this.#io.monitored.beginning)?.[0]
  }
}
