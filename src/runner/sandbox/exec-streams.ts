import { type ChildProcess, execFile } from 'node:child_process'
import { closeSync, fchownSync, fstatSync, mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import {
  findOnHost,
  type MachineTools,
  systemPath,
} from '../../linux/machine-tools.ts'
import { openPseudoTerminal } from '../../linux/pseudo-terminal.ts'
import { sendSignal } from '../../linux/send-signal.ts'
import type {
  ContainerStreams,
  StreamsEnd,
  StreamsRequest,
} from '../../streams/container-streams.ts'
import type { Clock } from '../../util/clock.ts'
import type { SandboxConfig } from './container-runtime.ts'
import { toExitStatus } from './exit-status.ts'
import { whyNotExecutable } from './find-program.ts'
import { execCommand, type Launch } from './launch-command.ts'
import { openInputPipe } from './input-pipe.ts'
import { openOutputPipe } from './output-pipe.ts'
import { spawnCommand } from './spawn-command.ts'

interface ExecOptions {
  readonly tools: MachineTools
  readonly clock: Clock
  /** The container's first process. */
  readonly pid: number
  readonly config: SandboxConfig
  readonly launch: Launch
  readonly request: Omit<StreamsRequest, 'command' | 'container'>
  /** On the host, for this command alone; not there yet. */
  readonly directory: string
}

/** What a program whose client has gone may still do before it is killed. */
const hangUpMs = 2000

/** containerd's own (internal/cri/server/container_execsync.go). */
export const terminalType = 'xterm'

/** A command in a container, and the streams of whoever has asked for it. Rejects with why not. */
export async function openExec(
  options: ExecOptions,
): Promise<ContainerStreams> {
  const { pid, launch, request } = options
  const why = whyNotExecutable(`/proc/${pid}/root`, launch)
  if (why !== undefined) throw new Error(why)
  return await (request.tty ? onTerminal(options) : onPipes(options))
}

async function onTerminal(options: ExecOptions): Promise<ContainerStreams> {
  const { pid, launch, request } = options
  const setsid = findSetsid()
  const terminal = await openPseudoTerminal(`/proc/${pid}/root`)
  const { slave, master } = terminal
  // Its end is EIO: no process has it any more.
  master.on('error', () => undefined)
  let child: ChildProcess
  try {
    ownTerminal(slave, launch)
    const env = new Map([...launch.env, ['TERM', terminalType] as const])
    child = start(options, { ...launch, env }, [slave, slave, slave], setsid)
  } catch (error) {
    master.destroy()
    throw error
  } finally {
    closeSync(slave)
  }
  const { stdin, stdout } = request
  // What nobody reads would stop the program.
  if (!stdout) master.resume()
  return {
    ...(stdin ? { stdin: master } : {}),
    ...(stdout ? { stdout: master } : {}),
    resize: terminal.resize,
    ...endOf(child, options, [master]),
  }
}

async function onPipes(options: ExecOptions): Promise<ContainerStreams> {
  const { tools, launch, request, directory } = options
  const path = (name: string): string => join(directory, name)
  mkdirSync(directory, { recursive: true })
  const names = (['stdout', 'stderr'] as const).filter(name => request[name])
  const opened: (Readable | Writable)[] = []
  const childEnds: number[] = []
  const noted = <T extends Readable | Writable>(stream: T, end: number): T => {
    stream.on('error', () => undefined)
    opened.push(stream)
    childEnds.push(end)
    return stream
  }
  try {
    // Node cannot make one, and what it calls a pipe is a socket.
    if (names.length > 0)
      await promisify(execFile)(
        tools.sh,
        ['-c', 'mkfifo -m 600 -- "$@"', 'sh', ...names.map(path)],
        { env: { PATH: systemPath } },
      )
    const output = (name: 'stdout' | 'stderr') => {
      if (!request[name]) return undefined
      const pipe = openOutputPipe(path(name), launch.user)
      return { ...pipe, stream: noted(pipe.readable, pipe.writeEnd) }
    }
    const input = request.stdin
      ? await openInputPipe(tools, launch.user)
      : undefined
    if (input !== undefined) noted(input.writable, input.readEnd)
    const [stdout, stderr] = [output('stdout'), output('stderr')]
    const child = start(options, launch, [
      input?.readEnd ?? 'ignore',
      stdout?.writeEnd ?? 'ignore',
      stderr?.writeEnd ?? 'ignore',
    ])
    return {
      ...(input ? { stdin: input.writable } : {}),
      ...(stdout ? { stdout: stdout.stream } : {}),
      ...(stderr ? { stderr: stderr.stream } : {}),
      resize: () => undefined,
      ...endOf(child, options, opened, input?.writable),
    }
  } catch (error) {
    for (const stream of opened) stream.destroy()
    throw error
  } finally {
    for (const end of childEnds) closeSync(end)
    await rm(directory, { recursive: true, force: true })
  }
}

function start(
  { tools, pid, config }: ExecOptions,
  launch: Launch,
  stdio: readonly (number | 'ignore')[],
  setsid?: string,
): ChildProcess {
  const command = execCommand(tools, pid, config, launch, {
    dies: true,
    ...(setsid === undefined ? {} : { setsid }),
  })
  return spawnCommand(command, launch, { stdio, files: [launch.filter?.file] })
}

function endOf(
  child: ChildProcess,
  { clock }: ExecOptions,
  streams: readonly (Readable | Writable)[],
  stdin?: Writable,
): Pick<ContainerStreams, 'ended' | 'hangUp'> {
  let hasEnded = false
  const ended = new Promise<StreamsEnd>(resolve => {
    child.once('error', ({ message }) => {
      hasEnded = true
      resolve({ error: message })
    })
    child.once('exit', (code, signal) => {
      hasEnded = true
      resolve({ exitCode: toExitStatus(code, signal).exitCode })
      // Whoever waits for room in it would wait for ever.
      stdin?.destroy()
    })
  })
  return {
    ended,
    hangUp: () => {
      for (const stream of streams) stream.destroy()
      clock.after(hangUpMs, () => {
        if (!hasEnded && child.pid !== undefined)
          sendSignal(-child.pid, 'SIGKILL')
      })
    },
  }
}

/** As a login does: whoever runs there may open his own terminal. */
export function ownTerminal(terminal: number, { user }: Launch): void {
  if (user !== undefined)
    fchownSync(terminal, user.uid, fstatSync(terminal).gid)
}

export function findSetsid(): string {
  const setsid = findOnHost('setsid')
  if (setsid === undefined)
    throw new Error('podfs needs setsid (package util-linux) for a terminal')
  return setsid
}
